"""KFP face of the register step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def register(
    candidate: dsl.Input[dsl.Model],
    mlflow_run: str,
    evaluation: dsl.Input[dsl.Artifact],
) -> str:
    """Store the candidate bundle under its content address and register it as a version.

    Args:
        candidate: the candidate bundle.
        mlflow_run: the MLflow run that made it.
        evaluation: the evaluation that it passed.

    Returns:
        The version's number.
    """
    from components.events import step
    from components.registry.step import run
    from components.settings import load_settings

    with step("register") as report:
        return run(candidate.path, mlflow_run, evaluation.path, load_settings(), report)
