"""KFP face of the register, deploy, verify and promote steps: one task, as each costs two pods."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def release(
    candidate: dsl.Input[dsl.Model],
    mlflow_run: str,
    evaluation: dsl.Input[dsl.Artifact],
    canary_steps: str,
    step_seconds: float,
    timeout_s: float,
    requests: int,
    max_p95_ms: float,
) -> str:
    """Register the candidate, start it as the canary, prove it, and give it the requests.

    Each step may be killed and done again, so the whole may: it ends in the same state.

    Args:
        candidate: the candidate bundle.
        mlflow_run: the MLflow run that made it.
        evaluation: the evaluation that it passed.
        canary_steps: shares of the requests that the canary gets one after another, in percent.
        step_seconds: how long it is watched at each.
        timeout_s: seconds until it must be ready.
        requests: single-row requests of verification, of which none may fail.
        max_p95_ms: 95th percentile of the canary's latency, milliseconds.

    Returns:
        The version's number.
    """
    from components.deployment.rollout import Limits, Rollout, parse_steps
    from components.deployment.step import deploy, promote, verify
    from components.events import step
    from components.registry.step import run as register
    from components.settings import load_settings

    with step("register") as report:
        settings, limits = load_settings(), Limits(requests, max_p95_ms)
        rollout = Rollout(parse_steps(canary_steps), step_seconds, timeout_s, limits)
        version = register(candidate.path, mlflow_run, evaluation.path, settings, report)
    with step("deploy") as report:
        deploy(version, rollout, settings, report)
    with step("verify") as report:
        verify(version, rollout, settings, report)
    with step("promote") as report:
        promote(version, rollout, settings, report)
    return version
