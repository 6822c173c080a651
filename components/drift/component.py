"""KFP face of the drift step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def drift(
    reference: dsl.Input[dsl.Dataset],
    newest: dsl.Input[dsl.Dataset],
    threshold: float,
    force: bool,
    page: dsl.Output[dsl.HTML],
) -> bool:
    """Compare the newest batch with the reference and decide whether to retrain.

    Args:
        reference: the earliest fifth of the encounters.
        newest: the newest batch.
        threshold: PSI from which a column counts as drifted.
        force: retrain whatever the columns say.
        page: the drift report.

    Returns:
        Whether to retrain.
    """
    from components.drift.step import run
    from components.events import step

    with step("drift") as report:
        return run(reference.path, newest.path, threshold, force, page.path, report).retrain
