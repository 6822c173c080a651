"""KFP face of the drift step."""

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
) -> bool:
    """Hold the newest batch against what production was trained on; decide whether to retrain.

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

    Returns:
        Whether to retrain.
    """
    from components.drift.decision import DriftRules
    from components.drift.step import DriftOutputs, DriftTables, run
    from components.events import step
    from components.settings import load_settings

    with step("drift") as report:
        return run(
            DriftTables(reference.path, train.path, validation.path, newest.path),
            DriftRules(threshold, max_shift, classifier_auc, max_auc_drop, force),
            DriftOutputs(page.path, summary.path),
            load_settings(),
            report,
        ).retrain
