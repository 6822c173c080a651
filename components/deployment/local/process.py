"""Processes that outlive the command that starts them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_SECONDS = 35.0
"""A model server drains for up to 30."""

_WITHHELD = ("HEALTH_PREDICT_", "AWS_", "MLFLOW_")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, by its number and its time of creation: a number alone may have passed on."""

    pid: int
    started: float

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._found() is not None

    def stop(self) -> None:
        """Let the process end by itself; kill it when it does not."""
        process = self._found()
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def _found(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def spawn(command: list[str], log: Path) -> Process:
    """Start a command in a session of its own, which writes to ``log`` alone.

    It is told none of our settings and no credentials: it needs neither.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        command[0],
        command,
        _environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), written, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, psutil.Process(pid).create_time())


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    return {**own, "OMP_NUM_THREADS": "1"}


def last_line(log: Path) -> str:
    """Return the last line of a log, or that there is none."""
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no log"
