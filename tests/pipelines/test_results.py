"""A run's result, put together from what its steps said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.results import Decision, RunResult, assemble, read_events

INGEST = {"source": "file:///a.csv", "rows": 10, "synthetic": False, "batch": 1}
EVALUATE = {"reasons": ["ok: AUC"], "candidate": {"auc": 0.7}, "production": None, "report": "r"}


def _done(step: str, **facts: Any) -> dict[str, Any]:
    return {"step": step, "phase": "done", **facts}


def test_a_promoted_candidate() -> None:
    events = [_done("ingest", **INGEST), _done("evaluate", **EVALUATE), _done("promote")]
    result = assemble("run-1", events, succeeded=True)
    assert (result.decision, result.exit_code) == (Decision.PROMOTED, 0)
    assert (result.rows, result.batch, result.report) == (10, 1, "r")
    assert result.metrics == {"candidate": {"auc": 0.7}, "production": None}


def test_a_refused_candidate_is_no_failure() -> None:
    events = [_done("ingest", **INGEST), _done("evaluate", **EVALUATE)]
    result = assemble("run-1", events, succeeded=True)
    assert (result.decision, result.exit_code) == (Decision.REFUSED, 0)


def test_a_batch_without_drift_keeps_production() -> None:
    events = [_done("ingest", **INGEST), _done("drift", reasons=["no column drifted"])]
    result = assemble("run-1", events, succeeded=True)
    assert (result.decision, result.reasons) == (Decision.KEPT, ["no column drifted"])


@pytest.mark.parametrize("exit_code", [1, 2])
def test_the_first_failure_is_the_reason(exit_code: int) -> None:
    failed = {"step": "ingest", "phase": "failed", "exit_code": exit_code, "message": "why"}
    later = {"step": "notify", "phase": "failed", "exit_code": 1, "message": "also"}
    result = assemble("run-1", [failed, later], succeeded=False)
    assert (result.decision, result.exit_code) == (Decision.FAILED, exit_code)
    assert result.reasons == ["ingest: why"]


def test_a_process_that_ended_without_a_word_is_a_failure() -> None:
    result = assemble("run-1", [_done("ingest", **INGEST)], succeeded=False)
    assert (result.decision, result.exit_code) == (Decision.FAILED, 1)


def test_a_failure_of_the_exit_handler_alone_is_a_failure() -> None:
    failed = {"step": "notify", "phase": "failed", "exit_code": 1, "message": "why"}
    events = [_done("ingest", **INGEST), _done("evaluate", **EVALUATE), _done("promote"), failed]
    assert assemble("run-1", events, succeeded=True).exit_code == 1


def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    result = RunResult("run-1", rows=3, decision=Decision.REFUSED, reasons=["because"])
    result.write(tmp_path / "run.json")
    assert RunResult.read(tmp_path / "run.json") == result


def test_an_event_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"step": "a"}\n{"step": "b', "utf-8")
    assert read_events(path) == [{"step": "a"}]
