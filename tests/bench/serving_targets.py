"""The servers that the bench measures, each a process of its own on loopback and on one core."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.serving_plan import HOST, Protocol, server_core
from ports import free_ports

from components.deployment.local.ports import free_port
from components.registry import MODEL

OURS = "this predictor"
CONSTANT = "KServe constant model"
FASTAPI = "FastAPI app"

BUNDLE = "bundle"
PIPELINE = "pipeline.joblib"
REQUESTS = "requests.pickle"
"""Names in the folder that the set-up writes."""

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Target:
    """A server that can be started: its module with arguments, and its port by protocol."""

    name: str
    command: tuple[str, ...]
    ports: dict[Protocol, int]


@dataclass(frozen=True)
class Running:
    """A server that is ready.

    Attributes:
        target: what was started.
        pid: its process.
        seconds: from the start of the process to the first ready answer.
        mebibytes: the process's proportional set size when ready.
    """

    target: Target
    pid: int
    seconds: float
    mebibytes: float


def targets(folder: Path) -> tuple[Target, ...]:
    """Return the targets that serve what was fitted into a folder, the product first."""
    return (_ours(folder / BUNDLE), _constant(), _fastapi(folder / PIPELINE))


@contextlib.contextmanager
def running(target: Target, log: Path) -> Iterator[Running]:
    """Start a target, wait until it is ready, and end it after the block."""
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *target.command], cwd=ROOT, stdout=output, stderr=output
        )
        try:
            # At once, so that the libraries' thread pools are made for one core.
            psutil.Process(process.pid).cpu_affinity([server_core()])
            _wait_until_ready(process, target.ports[Protocol.V1], log)
            seconds = time.monotonic() - began
            memory = psutil.Process(process.pid).memory_full_info().pss / 2**20
            yield Running(target, process.pid, seconds, memory)
        finally:
            process.kill()
            process.wait()


def _ours(bundle: Path) -> Target:
    rest, grpc = free_ports(2)
    where = ("--bundle", str(bundle), "--version", "1", "--port", str(rest))
    command = ("serving", *where, "--grpc-port", str(grpc))
    return Target(OURS, command, {Protocol.V1: rest, Protocol.V2: rest, Protocol.GRPC: grpc})


def _constant() -> Target:
    rest, grpc = free_ports(2)
    command = ("bench.serving_constant", str(rest), str(grpc))
    ports = {Protocol.V1: rest, Protocol.V2: rest, Protocol.GRPC: grpc}
    return Target(CONSTANT, command, ports)


def _fastapi(pipeline: Path) -> Target:
    port = free_port()
    command = ("bench.serving_fastapi", str(pipeline), str(port))
    return Target(FASTAPI, command, {Protocol.V1: port})


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _ready(port):
            return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"a server did not become ready: {log.read_text(errors='replace')}")


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", f"/v2/models/{MODEL}/ready")
        return connection.getresponse().status == 200
    return False
