"""Model server processes on this machine, and the files that say which of them serves."""

from __future__ import annotations

import json
import signal
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from components.errors import HealthPredictError, InputError

HOST = "127.0.0.1"
STOP_SECONDS = 35.0


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


def server_log(state: Path, version: str) -> Path:
    """Return the file that a version's server on this machine logs to."""
    return state / "servers" / f"version-{version}.log"


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
