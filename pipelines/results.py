"""What a run came to, read from what its steps said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from components.events import Phase


class Decision(StrEnum):
    """How a run ended for the model in production."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    KEPT = "kept"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"


@dataclass
class RunResult:
    """One run, as ``run.json`` and ``--output json`` show it.

    Attributes:
        run_id: name of the run.
        source: URI of the data.
        rows: encounters in the file.
        synthetic: whether they are a synthetic cohort.
        batch: number of the newest batch.
        decision: how the run ended for production.
        reasons: of the decision, or the one error.
        version: the version that serves after the run; empty when none does.
        metrics: test metrics of ``candidate`` and ``production``, ``None`` where there is none.
        endpoint: URL that serves after the run; empty when none does.
        report: path of the HTML report of the model.
        drift_report: path of the HTML report of the batch's drift.
        quality_report: path of the HTML report of the data.
        exit_code: 0, 1 or 2.
        seconds: that the pipeline took.
    """

    run_id: str
    source: str = ""
    rows: int = 0
    synthetic: bool = False
    batch: int = 0
    decision: Decision = Decision.RUNNING
    reasons: list[str] = field(default_factory=list)
    version: str = ""
    metrics: dict[str, dict[str, float] | None] = field(default_factory=dict)
    endpoint: str = ""
    report: str = ""
    drift_report: str = ""
    quality_report: str = ""
    exit_code: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the result in one step."""
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(self.to_json(), indent=1) + "\n", "utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> RunResult:
        """Read a result that :meth:`write` wrote."""
        data = json.loads(path.read_text("utf-8"))
        return cls(**{**data, "decision": Decision(data["decision"])})


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the complete events of a run so far."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def assemble(run_id: str, events: Iterable[dict[str, Any]], *, succeeded: bool) -> RunResult:
    """Put a run's result together from its steps' events.

    Args:
        run_id: name of the run.
        events: of all steps, in order.
        succeeded: whether the pipeline's process ended well.
    """
    done = {e["step"]: e for e in events if e["phase"] == Phase.DONE}
    failed = [e for e in events if e["phase"] == Phase.FAILED]
    result = RunResult(run_id)
    _take(result, done.get("ingest", {}), "source", "rows", "synthetic", "batch")
    evaluated = done.get("evaluate") or done.get("score production") or {}
    result.metrics = {name: evaluated.get(name) for name in ("candidate", "production")}
    result.report = evaluated.get("report", "")
    result.drift_report = done.get("drift", {}).get("drift_report", "")
    result.quality_report = done.get("ingest", {}).get("quality", "")
    if failed:
        first = failed[0]
        result.decision, result.exit_code = Decision.FAILED, first["exit_code"]
        result.reasons = [f"{first['step']}: {first['message']}"]
    elif not succeeded:
        result.decision, result.exit_code = Decision.FAILED, 1
        result.reasons = ["the pipeline ended without saying why; its log has the details"]
    else:
        result.decision, result.reasons = _decision(done)
    return result


def _take(result: RunResult, event: dict[str, Any], *names: str) -> None:
    for name in names:
        if name in event:
            setattr(result, name, event[name])


def _decision(done: dict[str, dict[str, Any]]) -> tuple[Decision, list[str]]:
    if "promote" in done:
        return Decision.PROMOTED, done["evaluate"]["reasons"]
    if "evaluate" in done:
        return Decision.REFUSED, done["evaluate"]["reasons"]
    return Decision.KEPT, done["drift"]["reasons"]
