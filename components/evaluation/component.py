"""KFP face of the evaluate step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def evaluate(
    test: dsl.Input[dsl.Dataset],
    candidate: dsl.Input[dsl.Model],
    mlflow_run: str,
    min_auc: float,
    max_auc_drop: float,
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
        mlflow_run: takes the metrics.
        min_auc: floor of the candidate's AUC.
        max_auc_drop: AUC that it may lose against production.
        allow_synthetic: let a model of synthetic data replace one of real data.
        force: promote against the comparison, never against the floors.
        metrics: AUC, average precision, Brier and F1 beside their no-skill values.
        classification: ROC curve and confusion matrix.
        page: the model report.
        evaluation: metrics, decision and reasons as JSON.

    Returns:
        Whether to promote.
    """
    from components.evaluation.gate import GateRules
    from components.evaluation.step import run
    from components.events import step
    from components.settings import load_settings

    with step("evaluate") as report:
        rules = GateRules(min_auc, max_auc_drop, allow_synthetic, force)
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


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def score_production(
    newest: dsl.Input[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
) -> None:
    """Measure the production model on a batch that needed no retraining.

    Args:
        newest: the newest batch.
        metrics: production's metrics on it.
        page: the same as a page.
    """
    from components.evaluation.monitor import run
    from components.events import step
    from components.settings import load_settings

    with step("score production") as report:
        found = run(newest.path, page.path, load_settings(), report)
        for name, value in found.to_json().items():
            metrics.log_metric(name, value)
