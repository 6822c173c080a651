from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import BundleError, HealthPredictError, InputError, VerificationError
from components.events import EVENTS_FILE, Phase, emit, step

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Read:
    """Return a reader of the events, which stand in the file and on standard output alike."""
    path, printed = tmp_path / "events.jsonl", list[str]()
    monkeypatch.setenv(EVENTS_FILE, str(path))

    def read() -> list[dict[str, Any]]:
        text = path.read_text("utf-8")
        printed.append(capsys.readouterr().out)
        assert "".join(printed) == text
        return [json.loads(line) for line in text.splitlines()]

    return read


def fail(error: BaseException) -> None:
    with step("tune"):
        raise error


def test_a_step_says_when_it_starts_and_what_it_found_when_it_is_done(events: Read) -> None:
    with step("ingest") as report:
        report.add(rows=3, source="file:///data.csv")
        report.add(rows=4, note="Zahl\nund\u00fc")
    start, done = events()
    assert (start["step"], start["phase"]) == ("ingest", "start")
    assert done.pop("seconds") >= 0
    assert done.pop("time") >= start["time"]
    assert done == {
        "step": "ingest",
        "phase": "done",
        "rows": 4,
        "source": "file:///data.csv",
        "note": "Zahl\nund\u00fc",
    }


def test_progress_stands_between_start_and_end(events: Read) -> None:
    with step("tune") as report:
        report.progress("xgboost AUC 0.7", 1, 3)
    phases = [event["phase"] for event in events()]
    assert phases == ["start", "progress", "done"]
    assert {**events()[1], "time": 0} == {
        "step": "tune", "phase": "progress", "time": 0,
        "text": "xgboost AUC 0.7", "done": 1, "total": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "exit_code", "kind"),
    [
        (HealthPredictError("no answer"), 1, "failure"),
        (InputError("no such file"), 2, "input"),
        (BundleError("altered"), 1, "bundle"),
        (VerificationError("another model"), 1, "verification"),
    ],
)
def test_an_error_of_the_project_ends_the_process_with_one_line(
    events: Read, error: HealthPredictError, exit_code: int, kind: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        fail(error)
    assert ended.value.code == f"tune: {error}"
    _, failed = events()
    assert failed.pop("time") > 0
    assert failed == {
        "step": "tune",
        "phase": "failed",
        "kind": kind,
        "exit_code": exit_code,
        "message": str(error),
    }


def test_a_message_of_many_lines_becomes_one(events: Read) -> None:
    with pytest.raises(SystemExit, match=r"^tune: first second third$"):
        fail(InputError("first\nsecond\r\n   third\n"))
    assert events()[1]["message"] == "first second third"


def test_the_cause_of_an_error_is_kept_and_the_error_itself_not_shown_twice() -> None:
    cause = ValueError("deeper")
    with pytest.raises(SystemExit) as ended, step("tune"):
        raise InputError("wrong") from cause
    assert ended.value.__cause__ is cause


def test_a_failed_step_adds_no_facts_and_is_never_done(events: Read) -> None:
    def body() -> None:
        with step("tune") as report:
            report.add(rows=3)
            raise InputError("wrong")

    with pytest.raises(SystemExit):
        body()
    assert [event["phase"] for event in events()] == ["start", "failed"]
    assert "rows" not in events()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="writes to /dev/full")
def test_a_full_disk_is_the_users_to_mend(events: Read) -> None:
    with pytest.raises(SystemExit, match="tune: no space left on the disk"), step("tune"):
        Path("/dev/full").write_bytes(b"x" * 100_000)
    failed = events()[1]
    assert (failed["exit_code"], failed["kind"]) == (2, "input")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("odd\nvalue"), "ValueError: odd"),
        (KeyError("column"), "KeyError: 'column'"),
        (RuntimeError(), "RuntimeError: "),
        (OSError(errno.EIO, "disk broken"), "[Errno 5] disk broken"),
        (OSError("damaged\nfile"), "damaged file"),
    ],
)
def test_any_other_exception_is_told_in_one_line_and_raised_again(
    events: Read, error: Exception, message: str
) -> None:
    with pytest.raises(type(error)) as raised:
        fail(error)
    assert raised.value is error
    failed = events()[1]
    assert (failed["phase"], failed["exit_code"], failed["kind"]) == ("failed", 1, "failure")
    assert failed["message"] == message


def test_without_a_file_events_go_to_standard_output_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(EVENTS_FILE, raising=False)
    emit("drift", Phase.PROGRESS, text="half")
    assert json.loads(capsys.readouterr().out)["text"] == "half"
    assert list(tmp_path.iterdir()) == []
