"""The training pipeline: one flow, two gates."""

from kfp import dsl

from components.deployment.component import deploy, promote, verify
from components.drift.component import drift
from components.evaluation.component import evaluate, score_production
from components.features.component import features
from components.ingest.component import ingest
from components.ingest.source import UCI_SHA256, UCI_URI
from components.notify.component import notify
from components.registry.component import register
from components.tuning.component import tune


@dsl.pipeline(name="readmission-training")
def training(
    data_uri: str = UCI_URI,
    data_sha256: str = UCI_SHA256,
    data_batch: int = 0,
    data_max_quarantine: float = 0.01,
    target: str = "any",
    drift_threshold: float = 0.2,
    drift_max_shift: float = 0.15,
    drift_classifier_auc: float = 0.65,
    drift_max_auc_drop: float = 0.03,
    drift_force: bool = False,
    features_max_column_auc: float = 0.75,
    features_history: bool = False,
    tune_trials: int = 24,
    tune_time_budget_s: float = 120.0,
    tune_seed: int = 0,
    tune_threshold: str = "best_f1",
    tune_ray_address: str = "",
    tune_distributed: bool = False,
    tune_sample_rows: int = 200_000,
    gate_min_auc: float = 0.6,
    gate_max_auc_drop: float = 0.005,
    gate_allow_synthetic: bool = False,
    gate_force: bool = False,
) -> None:
    """Keep one model of readmission in production.

    Args:
        data_uri: raw encounters: a path, https://, s3:// or synthetic:rows=N&seed=S.
        data_sha256: expected checksum of the file; empty when unknown.
        data_batch: 0 for the initial training, or the newest batch to train on, 1 to 5.
        data_max_quarantine: largest share of rows that may be set aside for breaking a rule.
        target: any (readmitted at all) or within_30_days.
        drift_threshold: PSI from which a column counts as drifted.
        drift_max_shift: shift in standard deviations from which a number counts as drifted.
        drift_classifier_auc: AUC of telling batch from reference that surely must not be passed.
        drift_max_auc_drop: AUC that production may lose since its promotion.
        drift_force: retrain whether the batch drifted or not.
        features_max_column_auc: AUC that no single column may exceed: more is a leak.
        features_history: use what is known of the patients' earlier encounters; a request may then
            carry it, and one that does not is scored as the patient's first.
        tune_trials: most trials over the three families.
        tune_time_budget_s: most seconds of search.
        tune_seed: seed of the search and of every fit.
        tune_threshold: rule of the threshold: best_f1, sensitivity=0.80 or cost=5.
        tune_ray_address: Ray cluster to search on; empty searches in the step's own pod.
        tune_distributed: search XGBoost on a sample, and fit the winner on all rows with Ray Data
            and Ray Train.
        tune_sample_rows: about how many training rows the search then sees.
        gate_min_auc: floor of a candidate's AUC.
        gate_max_auc_drop: AUC that a candidate may lose against production.
        gate_allow_synthetic: let a model of synthetic data replace one of real data.
        gate_force: promote against the comparison, never against the floors.
    """
    with dsl.ExitHandler(notify().set_caching_options(False)):
        data = ingest(
            uri=data_uri,
            sha256=data_sha256,
            batch=data_batch,
            max_quarantine=data_max_quarantine,
        ).set_caching_options(False)
        drifted = drift(
            reference=data.outputs["reference"],
            train=data.outputs["train"],
            validation=data.outputs["validation"],
            newest=data.outputs["newest"],
            threshold=drift_threshold,
            max_shift=drift_max_shift,
            classifier_auc=drift_classifier_auc,
            max_auc_drop=drift_max_auc_drop,
            force=drift_force,
        ).set_caching_options(False)
        with dsl.If(drifted.outputs["Output"] == True, "retrain"):  # noqa: E712  # kfp's condition
            encoded = features(
                train=data.outputs["train"],
                validation=data.outputs["validation"],
                target=target,
                max_column_auc=features_max_column_auc,
                history=features_history,
                sample=tune_distributed,
                sample_rows=tune_sample_rows,
            )
            tuned = tune(
                matrices=encoded.outputs["matrices"],
                train=data.outputs["train"],
                validation=data.outputs["validation"],
                trials=tune_trials,
                time_budget_s=tune_time_budget_s,
                seed=tune_seed,
                threshold=tune_threshold,
                ray_address=tune_ray_address,
                distributed=tune_distributed,
            )
            evaluated = evaluate(
                test=data.outputs["test"],
                candidate=tuned.outputs["candidate"],
                mlflow_run=tuned.outputs["Output"],
                min_auc=gate_min_auc,
                max_auc_drop=gate_max_auc_drop,
                allow_synthetic=gate_allow_synthetic,
                force=gate_force,
            ).set_caching_options(False)
            with dsl.If(evaluated.outputs["Output"] == True, "promote"):  # noqa: E712
                version = register(
                    candidate=tuned.outputs["candidate"],
                    mlflow_run=tuned.outputs["Output"],
                    evaluation=evaluated.outputs["evaluation"],
                ).set_caching_options(False)
                deployed = deploy(version=version.output).set_caching_options(False)
                verified = verify(version=deployed.output).set_caching_options(False)
                promote(version=verified.output).set_caching_options(False)
        with dsl.Else("keep production"):
            score_production(newest=data.outputs["newest"]).set_caching_options(False)
