"""Close what a run left open and say how it ended."""

from __future__ import annotations

from components.deployment.server import stop_canary
from components.events import Report
from components.registry.tracking import Tracking
from components.settings import Settings


def run(state: str, message: str, settings: Settings, report: Report) -> None:
    """Close the run's MLflow runs and remove a canary that was not promoted.

    Args:
        state: KFP's final state of the run, ``SUCCEEDED`` for a good end.
        message: KFP's error message; empty for a good end.
        settings: where the registry and the servers are.
        report: takes the step's facts.
    """
    succeeded = state == "SUCCEEDED"
    stop_canary(settings.state_dir)
    Tracking(settings).finish(settings.run_id, succeeded=succeeded)
    report.add(state=state, message=message)
