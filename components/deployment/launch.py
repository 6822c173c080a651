"""Start a model server on this machine and wait until it is ready."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from components.deployment.server import HOST, Server, Slot, choose_port
from components.errors import HealthPredictError
from components.registry.models import Version
from components.registry.store import BundleStore, local_path

READY_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Launch:
    """What to serve, and where."""

    bundle_uri: str
    folder: Path
    version: str
    synthetic: bool
    port: int
    log: Path

    @classmethod
    def of(cls, version: Version, store: BundleStore, port: int, state: Path) -> Launch:
        """Prepare a registered version for a server on this machine.

        Args:
            version: the version to serve.
            store: holds its bundle.
            port: to listen on; 0 for any free one.
            state: the state folder.

        Raises:
            InputError: the port is taken.
            BundleError: the stored bundle is not sound.
            HealthPredictError: it is not on this machine.
        """
        folder = local_path(version.bundle_uri)
        if folder is None:
            raise HealthPredictError(f"{version.bundle_uri}: a local server needs a file: store")
        synthetic = store.get(version.bundle_uri).facts.synthetic
        log = state / "servers" / f"version-{version.number}.log"
        return cls(version.bundle_uri, folder, version.number, synthetic, choose_port(port), log)


def launch(wanted: Launch, started: Slot) -> Server:
    """Start a server in a session of its own, note it in ``started``, and wait until it is ready.

    Raises:
        HealthPredictError: it ended or was not ready in time; it is stopped and the slot cleared.
    """
    process = _spawn(wanted)
    server = Server(
        pid=process.pid,
        started=process.create_time(),
        port=wanted.port,
        version=wanted.version,
        bundle_uri=wanted.bundle_uri,
        synthetic=wanted.synthetic,
    )
    try:
        started.write(server)
        _wait_ready(process, server.url, wanted.log)
    except BaseException:
        server.stop()
        started.clear()
        raise
    return server


def _spawn(wanted: Launch) -> psutil.Process:
    wanted.log.parent.mkdir(parents=True, exist_ok=True)
    options = ["--bundle", str(wanted.folder), "--version", wanted.version]
    options += ["--host", HOST, "--port", str(wanted.port)]
    written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "serving", *options],
        {**os.environ, "OMP_NUM_THREADS": "1"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(wanted.log), written, 0o600),
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
        return httpx.get(
            f"{url}/v2/models/readmission/ready", timeout=5, trust_env=False
        ).is_success
    except httpx.TransportError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no log"
