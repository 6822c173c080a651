"""The pipeline's process: start it, follow it, and end it with all that it started."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import psutil

from pipelines.state import RunFolder

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 10.0


@dataclass
class Tail:
    """Reads the events that were added since the last look."""

    file: IO[str]
    rest: str = ""

    def read(self) -> list[dict[str, Any]]:
        """Return the new events."""
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        return [json.loads(line) for line in lines]


def run_pipeline(
    folder: RunFolder, environment: dict[str, str], on_event: Callable[[dict[str, Any]], None]
) -> bool:
    """Run the pipeline in a process of its own and pass on what its steps say.

    However this ends, no process of the pipeline is left but a server in a session of its own.

    Returns:
        Whether the process ended well.
    """
    folder.events.touch()
    with folder.log.open("wb") as log, folder.events.open(encoding="utf-8") as events:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.local", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            return _follow(process, Tail(events), on_event)
        except BaseException:
            end_tree(process.pid)
            raise


def _follow(
    process: subprocess.Popen[bytes], tail: Tail, on_event: Callable[[dict[str, Any]], None]
) -> bool:
    running = True
    while running:
        running = process.poll() is None
        for event in tail.read():
            on_event(event)
        if running:
            time.sleep(_POLL_SECONDS)
    return process.returncode == 0


def end_tree(pid: int, grace: float = _GRACE_SECONDS) -> None:
    """End a process and all that it started, those that left its session included.

    Args:
        pid: of the process.
        grace: seconds that they have to end by themselves.
    """
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(family, timeout=grace)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=_GRACE_SECONDS)
