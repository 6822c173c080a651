"""What a step tells the outside while it runs: start, progress, facts, failure.

Each is one JSON line, appended to the file that ``HEALTH_PREDICT_EVENTS`` names and written to
standard output, which is the pod's log on a cluster. Facts are counts, scores and names; never a
patient's values, except the offending values of a file that was refused.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from components.errors import HealthPredictError, InputError, one_line

EVENTS_FILE = "HEALTH_PREDICT_EVENTS"


class Phase(StrEnum):
    """What an event says of its step."""

    START = "start"
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"


class Report:
    """Collects a step's facts and emits its progress."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.facts: dict[str, Any] = {}

    def add(self, **facts: Any) -> None:
        """Add facts that the step's last event will carry."""
        self.facts.update(facts)

    def progress(self, text: str, done: int, total: int) -> None:
        """Say how far the step has come."""
        emit(self.step, Phase.PROGRESS, text=text, done=done, total=total)


@contextmanager
def step(name: str) -> Iterator[Report]:
    """Run a step's body, and say how it went.

    Raises:
        SystemExit: the body raised one of the project's errors, or the disk is full; the message
            is one line, so that a log ends with the reason and not with a traceback.
    """
    report, started = Report(name), time.monotonic()
    emit(name, Phase.START)
    try:
        yield report
    except HealthPredictError as error:
        raise _failed(name, error) from error.__cause__
    except OSError as error:
        if error.errno != errno.ENOSPC:
            emit(name, Phase.FAILED, kind="failure", exit_code=1, message=one_line(error))
            raise
        raise _failed(
            name, InputError("no space left on the disk; free some and run again")
        ) from None
    except Exception as error:
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        emit(name, Phase.FAILED, kind="failure", exit_code=1, message=message)
        raise
    emit(name, Phase.DONE, seconds=round(time.monotonic() - started, 1), **report.facts)


def emit(step_name: str, phase: Phase, **facts: Any) -> None:
    """Write one event."""
    line = json.dumps({"step": step_name, "phase": phase.value, "time": time.time(), **facts})
    print(line, flush=True)
    if path := os.environ.get(EVENTS_FILE):
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def _failed(name: str, error: HealthPredictError) -> SystemExit:
    message = one_line(error)
    emit(name, Phase.FAILED, kind=error.kind, exit_code=error.exit_code, message=message)
    return SystemExit(f"{name}: {message}")
