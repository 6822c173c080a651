"""``health-predict ui``."""

from __future__ import annotations

import os
import sys

from components.deployment.local.ports import HOST, free_port
from components.errors import InputError
from pipelines.state import State


def serve_ui(state: State, port: int) -> None:
    """Become MLflow's server on this machine's store, until interrupted.

    Raises:
        InputError: no run has written to the store yet, or the port is taken.
    """
    if not (state.root / "mlflow.db").exists():
        raise InputError(f"no run has written to {state.root} yet; health-predict run does")
    free = free_port(port)
    command = ["-m", "mlflow", "server", "--host", HOST, "--port", str(free)]
    sys.stderr.write(f"MLflow on http://{HOST}:{free}\n")
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.execv(sys.executable, [sys.executable, *command, "--backend-store-uri", state.tracking_uri])
