"""What the steps of a local run said: their events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.events import Phase
from components.notify.discreet import discreet
from components.notify.summary import Facts, Gate

_OWN = "notify"

Event = dict[str, Any]


def told(path: Path) -> Facts:
    """Read the events of a run.

    Args:
        path: of the events; where there is no such file, as on a cluster, nothing is known.

    Raises:
        OSError, ValueError: the file cannot be read or is not one of events.
    """
    if not path.is_file():
        return Facts()
    lines = path.read_text("utf-8").splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return facts_of([event for event in events if event["step"] != _OWN])


def facts_of(events: Sequence[Event]) -> Facts:
    """Return what a run's events say of it."""
    done = {e["step"]: e for e in events if e["phase"] == Phase.DONE}
    step, message = _failure(events, done)
    decision, reasons = _decision(done)
    return Facts(
        failed_step=step,
        message=message,
        decision=decision,
        reasons=tuple(str(reason) for reason in reasons),
        version=str(done.get("register", {}).get("version", "")),
        synthetic=any(bool(event.get("synthetic")) for event in done.values()),
        links=_links(done),
    )


def _failure(events: Sequence[Event], done: dict[str, Event]) -> tuple[str, str]:
    """Return the step that failed and why; a later attempt that went well does not count."""
    for event in events:
        step = str(event["step"])
        if event["phase"] == Phase.FAILED and step not in done:
            return step, discreet(step, str(event.get("kind", "")), str(event.get("message", "")))
    for event in events:
        if event["phase"] == Phase.START and event["step"] not in done:
            return str(event["step"]), "ended without saying why, perhaps killed"
    return "", ""


def _decision(done: dict[str, Event]) -> tuple[Gate, list[Any]]:
    if evaluated := done.get("evaluate"):
        gate = Gate.PROMOTE if evaluated.get("promote") else Gate.REFUSE
        return gate, evaluated.get("reasons", [])
    drift = done.get("drift", {})
    if drift.get("retrain") is False:
        return Gate.KEEP, drift.get("reasons", [])
    return Gate.NONE, []


def _links(done: dict[str, Event]) -> dict[str, str]:
    evaluated = done.get("evaluate") or done.get("score production") or {}
    found = {
        "report": evaluated.get("report", ""),
        "endpoint": done.get("promote", {}).get("endpoint", ""),
    }
    return {name: str(target) for name, target in found.items() if target}
