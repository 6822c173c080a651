from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import InputError
from components.events import EVENTS_FILE, Phase, emit, step
from components.notify.discreet import discreet
from components.notify.summary import Facts, Gate
from components.notify.told import told

PATIENT = "Caucasian-77"


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_FILE, str(path))
    return path


def ran(name: str, **facts: Any) -> None:
    with step(name) as report:
        report.add(**facts)


def failed(name: str, error: Exception) -> None:
    with pytest.raises((SystemExit, type(error))), step(name):
        raise error


def test_without_events_nothing_is_known(events: Path) -> None:
    assert told(events) == Facts()


def test_a_promotion_is_told_with_its_reasons_its_version_and_its_places(events: Path) -> None:
    ran("ingest", synthetic=True)
    ran("drift", retrain=True, reasons=["initial training"])
    ran("evaluate", promote=True, reasons=["ok: AUC"], report="/runs/report.html")
    ran("register", version="3")
    ran("promote", version="3", endpoint="http://127.0.0.1:8080")
    emit("notify", Phase.START)
    assert told(events) == Facts(
        decision=Gate.PROMOTE,
        reasons=("ok: AUC",),
        version="3",
        synthetic=True,
        links={"report": "/runs/report.html", "endpoint": "http://127.0.0.1:8080"},
    )


def test_a_refusal_and_a_batch_without_drift_are_told_apart(events: Path) -> None:
    ran("drift", retrain=False, reasons=["no column drifted"])
    kept = told(events)
    assert (kept.decision, kept.reasons) == (Gate.KEEP, ("no column drifted",))
    ran("evaluate", promote=False, reasons=["FAILED: AUC"])
    refused = told(events)
    assert (refused.decision, refused.reasons) == (Gate.REFUSE, ("FAILED: AUC",))


def test_the_first_failed_step_is_told_with_its_message(events: Path) -> None:
    ran("register", version="3")
    failed("deploy", InputError("port 8080 is taken"))
    failed("notify", InputError("also"))
    found = told(events)
    assert (found.failed_step, found.message) == ("deploy", "port 8080 is taken")
    assert found.version == "3"


def test_a_step_that_went_well_when_tried_again_has_not_failed(events: Path) -> None:
    failed("register", InputError("busy"))
    ran("register", version="3")
    assert told(events).failed_step == ""


def test_a_step_that_was_killed_is_told(events: Path) -> None:
    ran("ingest")
    emit("tune", Phase.START)
    emit("notify", Phase.START)
    found = told(events)
    assert (found.failed_step, found.message) == (
        "tune",
        "ended without saying why, perhaps killed",
    )


def test_a_line_that_is_still_being_written_is_left_out(events: Path) -> None:
    ran("register", version="3")
    with events.open("a") as file:
        file.write(json.dumps({"step": "deploy", "phase": "failed"})[:-3])
    assert told(events).version == "3"
    assert told(events).failed_step == ""


@pytest.mark.parametrize("text", ["no json\n", '{"phase": "done"}\n', "[1]\n"])
def test_a_file_of_something_else_is_an_error(events: Path, text: str) -> None:
    events.write_text(text)
    with pytest.raises((ValueError, KeyError, TypeError)):
        told(events)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError(f"/d.csv: column 'age': 3 values refused, first in row 5: '{PATIENT}' (3x)"),
         "bad input that names age"),
        (InputError(f"/d.csv: CSV parse error: Expected 50 columns, got 2: {PATIENT},7"),
         "bad input"),
        (ValueError(f"could not convert string to float: '{PATIENT}'"), "ValueError"),
        (RuntimeError(f"{PATIENT} in race and max_glu_serum"),
         "RuntimeError that names race, max_glu_serum"),
        (OSError(13, f"Permission denied: {PATIENT}"), "an error"),
    ],
    ids=["a refused value", "a row", "a library's error", "columns", "the disk's error"],
)  # fmt: skip
def test_a_step_that_reads_encounters_is_not_quoted(
    events: Path, error: Exception, message: str
) -> None:
    failed("ingest", error)
    found = told(events)
    assert found.failed_step == "ingest"
    assert found.message == f"{message}; the step's log says more, which may quote values"
    assert PATIENT in events.read_text("utf-8")
    assert PATIENT not in repr(found)


@pytest.mark.parametrize("kind", ["bundle", "verification", "conflict", "registry"])
def test_errors_that_know_no_encounter_are_quoted_from_every_step(kind: str) -> None:
    assert discreet("evaluate", kind, "why it failed") == "why it failed"


@pytest.mark.parametrize("step_name", ["ingest", "score production", "a step of tomorrow", ""])
@pytest.mark.parametrize("kind", ["input", "failure", "", "a kind of tomorrow"])
def test_what_is_not_known_to_be_harmless_is_not_quoted(step_name: str, kind: str) -> None:
    assert PATIENT not in discreet(step_name, kind, f"{PATIENT}: {PATIENT}")
