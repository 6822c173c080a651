"""KFP face of the drift step, and of scoring production where the batch asks for no retraining.

They are one task, since each task and each branch costs pods.
"""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def drift(
    reference: dsl.Input[dsl.Dataset],
    train: dsl.Input[dsl.Dataset],
    validation: dsl.Input[dsl.Dataset],
    newest: dsl.Input[dsl.Dataset],
    threshold: float,
    max_shift: float,
    classifier_auc: float,
    max_auc_drop: float,
    force: bool,
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    production: dsl.Output[dsl.HTML],
) -> bool:
    """Hold the newest batch against what production was trained on; decide whether to retrain.

    Where it is not, production is scored on the batch.

    Args:
        reference: the earliest fifth of the encounters; compared when there is no production.
        train: encounters of the training patients up to the newest batch.
        validation: the same of the validation patients.
        newest: the newest batch.
        threshold: PSI from which a column counts as drifted.
        max_shift: shift in standard deviations from which a number counts as drifted.
        classifier_auc: AUC of telling batch from reference that surely must not be passed.
        max_auc_drop: AUC that production may lose since its promotion.
        force: retrain whatever the batch says.
        page: the drift report.
        summary: its numbers as JSON.
        metrics: the drift in a few numbers, and production's metrics on the batch.
        production: production's metrics on the batch, as a page.

    Returns:
        Whether to retrain.
    """
    from components.drift.decision import DriftRules
    from components.drift.step import DriftOutputs, DriftTables, run
    from components.drift.unscored import write_unscored
    from components.evaluation.monitor import run as score
    from components.events import step
    from components.settings import load_settings

    with step("drift") as report:
        settings = load_settings()
        decision = run(
            DriftTables(reference.path, train.path, validation.path, newest.path),
            DriftRules(threshold, max_shift, classifier_auc, max_auc_drop, force),
            DriftOutputs(page.path, summary.path),
            settings,
            report,
        )
        for name, value in report.facts.items():
            if type(value) in (int, float):
                metrics.log_metric(name, value)
    if decision.retrain:
        write_unscored(production.path, newest.path, decision)
    else:
        with step("score production") as report:
            found = score(newest.path, production.path, settings, report)
            for name, value in found.to_json().items():
                metrics.log_metric(f"production_{name}", value)
    return decision.retrain
