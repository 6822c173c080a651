"""Run a pipeline with kfp's local runner whose only step fails: ``failing_pipeline.py FOLDER``."""

import sys

from kfp import dsl, local

from components.notify.component import notify


@dsl.component(base_image="python", install_kfp_package=False)  # type: ignore[untyped-decorator]
def broken() -> None:
    """Fail as a step of ours does."""
    from components.errors import BundleError
    from components.events import step

    with step("evaluate"):
        raise BundleError("model.onnx was altered")


@dsl.pipeline(name="failing")  # type: ignore[untyped-decorator]
def failing() -> None:
    """Fail, then notify."""
    with dsl.ExitHandler(notify().set_caching_options(False)):
        broken().set_caching_options(False)


if __name__ == "__main__":
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1])
    failing()
