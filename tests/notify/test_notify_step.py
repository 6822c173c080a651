from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from notify.hooks import SECRET, SHORT, Hook, refusing, status, webhook

from components.deployment.local.endpoint import EndpointFile
from components.deployment.local.ports import free_port
from components.events import EVENTS_FILE, Report, step
from components.notify.step import run
from components.registry.drift_log import DriftLog, DriftRecord
from components.registry.models import Registry
from components.registry.tracking import Tracking
from components.settings import Settings, load_settings

Make = Callable[..., Settings]
BUNDLE = f"file:///bundles/sha256-{'0' * 64}"
REASONS = "ok: AUC 0.7 >= floor 0.6; FAILED: Brier 0.3 < no-skill 0.2"
KFP_RUN = "0f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0"


@pytest.fixture(autouse=True)
def _no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EVENTS_FILE, raising=False)
    for name, value in (("MAX_RETRIES", "0"), ("TIMEOUT", "2")):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook(status(200)) as served:
        yield served


def notified(settings: Settings, state: str = "SUCCEEDED", message: str = "") -> Report:
    report = Report("notify")
    run(state, message, settings, report, SHORT)
    json.dumps(report.facts)
    return report


def status_of(settings: Settings, mlflow_run: str) -> str:
    return str(MlflowClient(settings.tracking_uri).get_run(mlflow_run).info.status)


def unreachable() -> str:
    return f"http://user:pass-word@127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ("SUCCEEDED", "FINISHED"),
        ("COMPLETE", "FINISHED"),
        ("FAILED", "FAILED"),
        ("CANCELED", "FAILED"),
        ("RUNNING", "FAILED"),
    ],
)
def test_the_runs_mlflow_run_is_closed_as_the_run_ended(
    settings: Make, state: str, ended: str
) -> None:
    made = Tracking(settings()).start("test-run", synthetic=True)
    other = Tracking(settings()).start("another-run", synthetic=True)
    notified(settings(), state)
    assert status_of(settings(), made) == ended
    assert status_of(settings(), other) == "RUNNING"


def test_a_refusal_is_read_from_the_registry(settings: Make, hook: Hook) -> None:
    made = Tracking(settings()).start("test-run", synthetic=True)
    Tracking(settings()).tag(made, {"decision": "refuse", "reasons": REASONS})
    report = notified(settings(notify_webhook=hook.url), "RUNNING")
    assert report.facts["state"] == "SUCCEEDED"
    assert report.facts["decision"] == "refuse"
    assert report.facts["reasons"] == REASONS.split("; ")
    assert report.facts["synthetic"] is True
    assert report.facts["problems"] == []
    assert status_of(settings(), made) == "FINISHED"
    (body,) = hook.bodies
    assert body["text"] == (
        "test-run SUCCEEDED (synthetic data): the gate refused the candidate; production stays"
    )


def _drift(settings: Settings, *, retrain: bool) -> None:
    record = DriftRecord(1, retrain, 0.1, "age", 0)
    DriftLog(settings).add(record, {}, source="file:///data.csv", synthetic=True)


@pytest.mark.parametrize("state", ["RUNNING", "FAILED"])
def test_that_no_drift_asked_for_a_candidate_is_read_from_the_registry(
    settings: Make, state: str
) -> None:
    _drift(settings(), retrain=False)
    _drift(settings(run_id="another-run"), retrain=True)
    report = notified(settings(), state)
    assert report.facts["state"] == "SUCCEEDED"
    assert report.facts["decision"] == "keep"
    assert report.facts["synthetic"] is True


@pytest.mark.parametrize(("state", "ended"), [("RUNNING", "UNKNOWN"), ("FAILED", "FAILED")])
def test_drift_that_asked_for_a_candidate_is_no_good_end(
    settings: Make, state: str, ended: str
) -> None:
    _drift(settings(), retrain=True)
    report = notified(settings(), state)
    assert report.facts["state"] == ended
    assert report.facts["message"].endswith("look at drift, features and tune")


def test_drift_that_was_not_logged_to_its_end_is_no_decision(settings: Make) -> None:
    client = MlflowClient(settings().tracking_uri)
    tags = {"health_predict.run_id": "test-run", "decision": "keep"}
    client.create_run(client.create_experiment("readmission-drift"), tags=tags)
    assert notified(settings(), "RUNNING").facts["state"] == "UNKNOWN"


def test_of_two_mlflow_runs_of_one_run_the_newer_one_counts(settings: Make) -> None:
    for decision in ("refuse", "promote"):
        made = Tracking(settings()).start("test-run", synthetic=False)
        Tracking(settings()).tag(made, {"decision": decision})
        time.sleep(0.01)  # they are told apart by their start in milliseconds
    assert notified(settings(), "FAILED").facts["decision"] == "promote"


def test_a_version_is_the_runs_own(settings: Make) -> None:
    made = Tracking(settings()).start("test-run", synthetic=False)
    Tracking(settings()).tag(made, {"decision": "promote", "reasons": "ok: AUC"})
    Registry(settings()).register(BUNDLE, made, {"run_id": "test-run"})
    own = notified(settings())
    assert own.facts["version"] == "1"
    assert own.facts["decision"] == "promote"
    other = notified(settings(run_id="another-run"))
    assert other.facts["version"] == ""
    assert other.facts["decision"] == "keep"


def test_a_failed_release_is_told_from_its_version(settings: Make) -> None:
    made = Tracking(settings()).start("test-run", synthetic=False)
    Tracking(settings()).tag(made, {"decision": "promote", "reasons": "ok: AUC"})
    version = Registry(settings()).register(BUNDLE, made, {"run_id": "test-run"})
    Registry(settings()).tag(version.number, "verification", "failed: row 3 differs by 0.1")
    report = notified(settings(), "FAILED")
    assert report.facts["message"] == "release failed: row 3 differs by 0.1"


def test_without_a_message_the_steps_after_the_last_record_are_named(settings: Make) -> None:
    def message() -> str:
        return str(notified(settings(), "FAILED").facts["message"])

    assert message() == "look at ingest and drift"
    made = Tracking(settings()).start("test-run", synthetic=False)
    assert message() == "look at tune and evaluate"
    Tracking(settings()).tag(made, {"decision": "promote"})
    assert message() == "look at evaluate and register"
    Registry(settings()).register(BUNDLE, made, {"run_id": "test-run"})
    assert message() == "look at register, deploy, verify and promote"


def test_the_pages_of_mlflow_and_kubeflow_are_linked_without_a_password(settings: Make) -> None:
    made = Tracking(settings()).start(KFP_RUN, synthetic=False)
    Registry(settings()).register(BUNDLE, made, {"run_id": KFP_RUN})
    experiment = MlflowClient(settings().tracking_uri).get_run(made).info.experiment_id
    given = settings(
        run_id=KFP_RUN, mlflow_url="https://me:secret@mlflow.org/ui/", kfp_url="https://kfp.org"
    )
    assert notified(given).facts["links"] == {
        "MLflow run": f"https://mlflow.org/ui/#/experiments/{experiment}/runs/{made}",
        "MLflow version": "https://mlflow.org/ui/#/models/readmission/versions/1",
        "Kubeflow run": f"https://kfp.org/#/runs/details/{KFP_RUN}",
    }


def test_a_local_run_has_no_page_in_kubeflow_and_a_database_none_in_mlflow(settings: Make) -> None:
    Tracking(settings()).start("test-run", synthetic=False)
    assert notified(settings(kfp_url="https://kfp.org")).facts["links"] == {}


def test_the_steps_own_events_go_before_the_registry(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    monkeypatch.setenv(EVENTS_FILE, str(tmp_path / "events.jsonl"))
    with step("evaluate") as said:
        said.add(promote=True, reasons=["ok: AUC 0.7 > 0.6"], report="/runs/report.html")
    with pytest.raises(ValueError, match="Caucasian"), step("register"):
        raise ValueError("no number: Caucasian")
    report = notified(settings(notify_webhook=hook.url), "FAILED", "Task exit-handler-1 failed.")
    assert report.facts["failed_step"] == "register"
    assert report.facts["decision"] == "promote"
    assert report.facts["links"] == {"report": "/runs/report.html"}
    assert "• ok: AUC 0.7 &gt; 0.6" in json.dumps(hook.bodies, ensure_ascii=False)


def test_a_patients_value_reaches_neither_the_webhook_nor_the_summary(
    settings: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hook: Hook,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(EVENTS_FILE, str(tmp_path / "events.jsonl"))
    with pytest.raises(ValueError, match="Caucasian"), step("ingest"):
        raise ValueError("race is Caucasian")
    assert "Caucasian" in capsys.readouterr().out
    report = notified(settings(notify_webhook=hook.url), "FAILED")
    assert report.facts["message"].startswith("ValueError that names race;")
    everything = capsys.readouterr().out + json.dumps([report.facts, hook.bodies])
    assert "Caucasian" not in everything


def test_a_registry_out_of_reach_does_not_keep_the_summary_from_going_out(
    settings: Make, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(tracking_uri=unreachable(), notify_webhook=hook.url)
    report = notified(given, "SUCCEEDED")
    asked, closed = report.facts["problems"]
    assert asked.startswith("the registry cannot be asked: ")
    assert closed.startswith("MLflow's runs may still be open: ")
    (body,) = hook.bodies
    assert "not done: the registry cannot be asked" in json.dumps(body)
    logged = capsys.readouterr().out
    assert logged.count("notify: the registry cannot be asked") == 1
    assert logged.count("notify: MLflow's runs may still be open") == 1
    assert "pass-word" not in logged + json.dumps([report.facts, hook.bodies])


def test_a_damaged_database_is_a_problem_and_no_failure(settings: Make, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"no database" * 500)
    problems = notified(settings(tracking_uri=f"sqlite:///{path}")).facts["problems"]
    assert len(problems) == 2
    assert all("file is not a database" in problem for problem in problems)


def test_a_canary_that_cannot_be_taken_away_is_told_and_the_rest_is_done(
    settings: Make, hook: Hook
) -> None:
    made = Tracking(settings()).start("test-run", synthetic=False)
    EndpointFile(settings().state_dir).path.mkdir()
    report = notified(settings(notify_webhook=hook.url))
    (problem,) = report.facts["problems"]
    assert problem.startswith("the canary may still be there: ")
    assert status_of(settings(), made) == "FINISHED"
    assert problem.split(": ")[0] in json.dumps(hook.bodies)


def test_broken_events_are_told_and_the_registry_is_asked(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Tracking(settings()).start("test-run", synthetic=False)
    Tracking(settings()).tag(made, {"decision": "refuse"})
    (tmp_path / "events.jsonl").write_text("no json\n")
    monkeypatch.setenv(EVENTS_FILE, str(tmp_path / "events.jsonl"))
    report = notified(settings())
    assert report.facts["decision"] == "refuse"
    assert report.facts["problems"][0].startswith("the steps' events cannot be read: ")


@pytest.mark.parametrize("code", [404, 500, 0])
def test_a_webhook_that_fails_is_one_line_with_its_host_and_the_run_stays_good(
    settings: Make, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    with webhook(status(code or 200)) as served:
        url = served.url if code else refusing().url
        report = notified(settings(notify_webhook=url))
    assert report.facts["state"] == "SUCCEEDED"
    (problem,) = report.facts["problems"]
    assert problem.startswith("the summary was not sent: webhook at 127.0.0.1: ")
    logged = capsys.readouterr().out
    assert logged.count(problem) == 1
    assert not any(part in logged + json.dumps(report.facts) for part in SECRET.split("/"))


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_webhook_is_none(settings: Make, empty: str) -> None:
    assert notified(settings(notify_webhook=empty)).facts["problems"] == []


def test_the_summary_is_one_line_of_the_log(
    settings: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    notified(settings(), "FAILED", "Task exit-handler-1\nfailed.")
    line = "test-run FAILED: Task exit-handler-1 failed; look at ingest and drift"
    assert f"notify: {line}\n" in capsys.readouterr().out


def test_the_webhook_comes_from_the_environment_and_is_never_shown(
    settings: Make, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    for name, value in settings().model_dump(exclude_none=True).items():
        monkeypatch.setenv(f"HEALTH_PREDICT_{name.upper()}", str(value))
    monkeypatch.setenv("HEALTH_PREDICT_NOTIFY_WEBHOOK", hook.url.get_secret_value())
    loaded = load_settings()
    assert loaded.notify_webhook == hook.url
    assert SECRET not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"
