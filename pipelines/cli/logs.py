"""``health-predict logs``."""

from __future__ import annotations

from pathlib import Path

from components.deployment.local.endpoint import EndpointFile, server_log
from components.errors import InputError
from pipelines.state import RunFolder, State


def log_of(state: State, run_id: str, *, server: bool) -> Path:
    """Return the log file of a run, of the last run, or of the endpoint.

    Raises:
        InputError: there is no such log.
    """
    if server:
        endpoint = EndpointFile(state.root).read()
        if endpoint is None or endpoint.answering is None:
            raise InputError("nothing serves, so there is no server log")
        return server_log(state.root, endpoint.answering.revision.version)
    runs = [run for run in state.runs() if run_id in ("", run.run_id)]
    if not runs:
        raise InputError(f"no run {run_id!r} in {state.root}" if run_id else "no run yet")
    return _existing(runs[-1])


def _existing(run: RunFolder) -> Path:
    if not run.log.exists():
        raise InputError(f"{run.run_id} has no log yet")
    return run.log
