"""Start a model server on this machine and wait until it is ready."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import httpx
import psutil

from components.deployment.server import HOST, Server, Slot, choose_port, server_log
from components.errors import HealthPredictError
from components.registry import MODEL
from components.registry.models import Version
from components.registry.store import BundleStore, local_path

READY_SECONDS = 60.0
_POLL_SECONDS = 0.1


def launch(version: Version, store: BundleStore, port: int, state: Path, started: Slot) -> Server:
    """Start a server in a session of its own, note it in ``started``, and wait until it is ready.

    Args:
        version: the registered version to serve.
        store: holds its bundle.
        port: to listen on; 0 for any free one.
        state: the state folder.
        started: names the server from its start on.

    Raises:
        InputError: the port is taken.
        BundleError: the stored bundle is not sound.
        HealthPredictError: the bundle is not on this machine, or the server ended or was not ready
            in time; it is then stopped and the slot cleared.
    """
    folder = local_path(version.bundle_uri)
    if folder is None:
        raise HealthPredictError(f"{version.bundle_uri}: a local server needs a file: store")
    synthetic = store.get(version.bundle_uri).facts.synthetic
    port, log = choose_port(port), server_log(state, version.number)
    process = _spawn(folder, version.number, port, log)
    server = Server(
        pid=process.pid,
        started=process.create_time(),
        port=port,
        version=version.number,
        bundle_uri=version.bundle_uri,
        synthetic=synthetic,
    )
    try:
        started.write(server)
        _wait_ready(process, server.url, log)
    except BaseException:
        server.stop()
        started.clear()
        raise
    return server


def _spawn(bundle: Path, version: str, port: int, log: Path) -> psutil.Process:
    log.parent.mkdir(parents=True, exist_ok=True)
    options = ["--bundle", str(bundle), "--version", version, "--host", HOST, "--port", str(port)]
    written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "serving", *options],
        {**os.environ, "OMP_NUM_THREADS": "1"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), written, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return psutil.Process(pid)


def _wait_ready(process: psutil.Process, url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if _ended(process):
            raise HealthPredictError(f"the model server ended: {_last_line(log)}")
        if _is_ready(url):
            return
        time.sleep(_POLL_SECONDS)
    raise HealthPredictError(f"the model server was not ready in {READY_SECONDS:.0f} s, see {log}")


def _ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/models/{MODEL}/ready", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no log"
