"""One model server on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from components.deployment.local.ports import HOST, free_port
from components.deployment.local.process import Process, last_line, spawn
from components.deployment.target import Revision
from components.errors import HealthPredictError
from components.registry import MODEL

SERVE = (sys.executable, "-m", "serving")
"""The command of a model server, before its options."""

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Server:
    """A model server: its process, its port, and what it serves."""

    process: Process
    port: int
    revision: Revision
    synthetic: bool

    @property
    def url(self) -> str:
        """Base URL of the server itself."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A server that is to be started: what it serves, from which folder, and its log."""

    revision: Revision
    bundle: Path
    synthetic: bool
    log: Path


def launch(plan: Plan, note: Callable[[Server], None], timeout_s: float) -> Server:
    """Start a server and wait until it is ready.

    Args:
        plan: what is to be served.
        note: is told the server as soon as its process is there, so that no kill makes it an
            orphan that nothing knows.
        timeout_s: seconds until it must be ready.

    Raises:
        HealthPredictError: the server ended, or was not ready in time; it is stopped then.
    """
    port = free_port()
    options = ["--bundle", str(plan.bundle), "--version", plan.revision.version]
    command = [*SERVE, *options, "--host", HOST, "--port", str(port)]
    process = spawn(command, plan.log)
    server = Server(process, port, plan.revision, plan.synthetic)
    try:
        note(server)
        _wait_ready(server, plan.log, timeout_s)
    except BaseException:
        process.stop()
        raise
    return server


def _wait_ready(server: Server, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not server.process.alive:
            raise HealthPredictError(f"the model server ended: {last_line(log)}")
        if is_ready(server.url):
            return
        time.sleep(_POLL_SECONDS)
    raise HealthPredictError(f"the model server was not ready in {timeout_s:.0f} s, see {log}")


def is_ready(url: str) -> bool:
    """Whether the model answers that it is ready."""
    try:
        return httpx.get(f"{url}/v2/models/{MODEL}/ready", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
