"""Model server processes on this machine, and the files that say which of them serves."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from components.errors import HealthPredictError, InputError

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 35.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Server:
    """A running model server.

    ``started`` is the process's creation time: a pid alone may have passed to another process.
    """

    pid: int
    started: float
    port: int
    version: str
    bundle_uri: str
    synthetic: bool

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://{HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process() is not None

    def stop(self) -> None:
        """Let the server drain and end; kill it when it does not."""
        process = self._process()
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True, slots=True)
class Slot:
    """A file that names one server: the endpoint or the canary."""

    path: Path

    def read(self) -> Server | None:
        """Return the server that the file names, running or not."""
        try:
            return Server(**json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise HealthPredictError(f"{self.path}: is damaged ({error}); remove it") from error

    def write(self, server: Server) -> None:
        """Name a server, in one step: a reader sees the old one or the new one."""
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(asdict(server)), "utf-8")
        partial.replace(self.path)

    def clear(self) -> None:
        """Name no server."""
        self.path.unlink(missing_ok=True)


def endpoint(state: Path) -> Slot:
    """Return the slot of the server that answers requests."""
    return Slot(state / "endpoint.json")


def canary(state: Path) -> Slot:
    """Return the slot of the server that is being verified."""
    return Slot(state / "canary.json")


def stop_canary(state: Path) -> None:
    """Stop and forget the canary, unless it has become the endpoint."""
    slot = canary(state)
    if server := slot.read():
        if server != endpoint(state).read():
            server.stop()
        slot.clear()


def choose_port(wanted: int) -> int:
    """Return ``wanted`` when it is free, or any free port for 0.

    Raises:
        InputError: the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise InputError(
                f"port {wanted} of {HOST} cannot be used: {error.strerror}; choose another"
            ) from None
        return int(probe.getsockname()[1])


def start_server(bundle: Path, version: str, port: int, log: Path) -> psutil.Process:
    """Start ``python -m serving`` in a session of its own, so that it outlives its starter."""
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


def wait_ready(process: psutil.Process, url: str, log: Path) -> None:
    """Wait until the server says that its model is ready.

    Raises:
        HealthPredictError: it ended, or was not ready in time; quotes its last log line.
    """
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
