"""The training pipeline: one flow, two gates."""

from kfp import dsl

from components.deployment.component import release
from components.drift.component import drift
from components.evaluation.component import evaluate
from components.ingest.component import ingest
from components.ingest.source import UCI_SHA256, UCI_URI
from components.notify.component import notify
from components.tuning.component import train


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
    gate_min_f1_gain: float = 0.0,
    gate_min_slope: float = 0.8,
    gate_max_slope: float = 1.25,
    gate_max_intercept: float = 0.5,
    gate_max_latency_ms: float = 20.0,
    gate_max_auc_drop: float = 0.005,
    gate_max_subgroup_drop: float = 0.05,
    gate_allow_synthetic: bool = False,
    gate_force: bool = False,
    deploy_canary_steps: str = "10,50,100",
    deploy_step_seconds: float = 2.0,
    deploy_timeout_s: float = 120.0,
    deploy_requests: int = 200,
    deploy_max_p95_ms: float = 100.0,
) -> None:
    """Keep one model of readmission in production.

    Args:
        data_uri: raw encounters: a path, https://, s3:// or synthetic:rows=N&seed=S.
        data_sha256: checksum that the file must have; with another data_uri its own, or empty.
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
        gate_min_f1_gain: floor of its F1 above that of calling everybody readmitted; below 0 for a
            threshold that was chosen for something else than F1.
        gate_min_slope: least calibration slope.
        gate_max_slope: greatest calibration slope.
        gate_max_intercept: greatest calibration intercept in log-odds, on either side of 0.
        gate_max_latency_ms: most milliseconds that scoring one raw encounter may take.
        gate_max_auc_drop: AUC that a candidate may lose against production.
        gate_max_subgroup_drop: AUC that it may lose on any one subgroup of the patients.
        gate_allow_synthetic: let a model of synthetic data replace one of real data.
        gate_force: promote against the comparison, never against the floors.
        deploy_canary_steps: shares of the requests that the canary gets one after another, in
            percent, ending with 100.
        deploy_step_seconds: how long the canary is watched at each share.
        deploy_timeout_s: seconds until a started canary must be ready.
        deploy_requests: single-row requests that verification sends; none may fail.
        deploy_max_p95_ms: 95th percentile of a canary's latency for single rows, milliseconds.
    """
    # Nothing is cached. What a URI names may change, and so do the registry and what serves. train
    # could never hit: KFP's key holds its inputs' ids, which ingest makes anew in each run.
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
            trained = train(
                train=data.outputs["train"],
                validation=data.outputs["validation"],
                target=target,
                max_column_auc=features_max_column_auc,
                history=features_history,
                trials=tune_trials,
                time_budget_s=tune_time_budget_s,
                seed=tune_seed,
                threshold=tune_threshold,
                ray_address=tune_ray_address,
                distributed=tune_distributed,
                sample_rows=tune_sample_rows,
            ).set_caching_options(False)
            evaluated = evaluate(
                test=data.outputs["test"],
                candidate=trained.outputs["candidate"],
                mlflow_run=trained.outputs["Output"],
                min_auc=gate_min_auc,
                min_f1_gain=gate_min_f1_gain,
                min_slope=gate_min_slope,
                max_slope=gate_max_slope,
                max_intercept=gate_max_intercept,
                max_latency_ms=gate_max_latency_ms,
                max_auc_drop=gate_max_auc_drop,
                max_subgroup_drop=gate_max_subgroup_drop,
                allow_synthetic=gate_allow_synthetic,
                force=gate_force,
            ).set_caching_options(False)
            with dsl.If(evaluated.outputs["Output"] == True, "promote"):  # noqa: E712
                release(
                    candidate=trained.outputs["candidate"],
                    mlflow_run=trained.outputs["Output"],
                    evaluation=evaluated.outputs["evaluation"],
                    canary_steps=deploy_canary_steps,
                    step_seconds=deploy_step_seconds,
                    timeout_s=deploy_timeout_s,
                    requests=deploy_requests,
                    max_p95_ms=deploy_max_p95_ms,
                ).set_caching_options(False)
