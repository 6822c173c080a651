"""KFP face of the exit handler."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def notify(status: dsl.PipelineTaskFinalStatus) -> None:
    """Close what the run left open and say how it ended.

    Args:
        status: how the pipeline ended.
    """
    from components.events import step
    from components.notify.step import run
    from components.settings import load_settings

    with step("notify") as report:
        run(status.state, status.error_message or "", load_settings(), report)
