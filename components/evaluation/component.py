"""KFP face of the evaluate step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def evaluate(
    test: dsl.Input[dsl.Dataset],
    candidate: dsl.Input[dsl.Model],
    mlflow_run: str,
    min_auc: float,
    min_f1_gain: float,
    min_slope: float,
    max_slope: float,
    max_intercept: float,
    max_latency_ms: float,
    max_auc_drop: float,
    max_subgroup_drop: float,
    allow_synthetic: bool,
    force: bool,
    metrics: dsl.Output[dsl.Metrics],
    classification: dsl.Output[dsl.ClassificationMetrics],
    page: dsl.Output[dsl.HTML],
    evaluation: dsl.Output[dsl.Artifact],
) -> bool:
    """Compare the candidate with production on the same raw rows and decide on its promotion.

    Args:
        test: raw encounters of the test patients.
        candidate: the candidate bundle.
        mlflow_run: takes the metrics, the report and the decision.
        min_auc: floor of the candidate's AUC.
        min_f1_gain: floor of its F1 above that of calling everybody readmitted.
        min_slope: least calibration slope.
        max_slope: greatest calibration slope.
        max_intercept: greatest calibration intercept in log-odds, on either side of 0.
        max_latency_ms: most milliseconds that scoring one raw encounter may take.
        max_auc_drop: AUC that it may lose against production.
        max_subgroup_drop: AUC that it may lose on any one subgroup of the patients.
        allow_synthetic: let a model of synthetic data replace one of real data.
        force: promote against the comparison, never against the floors.
        metrics: AUC, average precision, Brier and F1 beside their no-skill values.
        classification: ROC curve and confusion matrix.
        page: the model report.
        evaluation: metrics, decision and reasons as JSON.

    Returns:
        Whether to promote.
    """
    from components.evaluation.rules import GateRules
    from components.evaluation.step import run
    from components.events import step
    from components.settings import load_settings

    with step("evaluate") as report:
        rules = GateRules(
            min_auc=min_auc,
            min_f1_gain=min_f1_gain,
            min_slope=min_slope,
            max_slope=max_slope,
            max_intercept=max_intercept,
            max_latency_ms=max_latency_ms,
            max_auc_drop=max_auc_drop,
            max_subgroup_drop=max_subgroup_drop,
            allow_synthetic=allow_synthetic,
            force=force,
        )
        found = run(
            test.path,
            candidate.path,
            mlflow_run,
            rules,
            (page.path, evaluation.path),
            load_settings(),
            report,
        )
        for name, value in found.candidate.to_json().items():
            metrics.log_metric(name, value)
        curves = found.curves
        classification.log_roc_curve(
            curves.false_positive_rate, curves.true_positive_rate, curves.thresholds
        )
        classification.log_confusion_matrix(["not readmitted", "readmitted"], curves.confusion)
        return found.decision.promote
