"""KFP faces of the deploy, verify and promote steps."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def deploy(version: str) -> str:
    """Start a version as the canary.

    Args:
        version: number of the registered version.

    Returns:
        The version, for the next step.
    """
    from components.deployment.step import deploy as run
    from components.events import step
    from components.settings import load_settings

    with step("deploy") as report:
        run(version, load_settings(), report)
        return version


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def verify(version: str) -> str:
    """Prove that the canary serves the version's bundle.

    Args:
        version: number of the registered version.

    Returns:
        The version, for the next step.
    """
    from components.deployment.step import verify as run
    from components.events import step
    from components.settings import load_settings

    with step("verify") as report:
        run(version, load_settings(), report)
        return version


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def promote(version: str) -> None:
    """Make the verified canary the endpoint and move the aliases last.

    Args:
        version: number of the registered version.
    """
    from components.deployment.step import promote as run
    from components.events import step
    from components.settings import load_settings

    with step("promote") as report:
        run(version, load_settings(), report)
