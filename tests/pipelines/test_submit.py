"""Runs on a cluster, seen by a fake of its API."""

from __future__ import annotations

import json
import re

import pytest
from calling import Call
from fake_kubeflow import FakeKubeflow

from pipelines.cli.kubeflow import PIPELINE
from pipelines.kubeflow import KubeflowError, connect
from pipelines.runs import follow

TASKS = {"ingest": "SUCCEEDED", "train": "RUNNING"}


def test_a_run_is_started_from_the_newest_version_under_the_pipelines_own_account(
    published: FakeKubeflow, call: Call
) -> None:
    done = call("submit", "--batch", "2", "--param", "tune_trials=3", "--host", published.url)
    assert done.code == 0, done.err
    (asked,) = published.sent("POST", "runs")
    (version,), (experiment,) = published.versions, published.experiments
    assert asked.body["pipeline_version_reference"] == {
        "pipeline_id": version.pipeline_id,
        "pipeline_version_id": version.pipeline_version_id,
    }
    assert asked.body["runtime_config"] == {"parameters": {"data_batch": 2, "tune_trials": 3}}
    assert asked.body["service_account"] == "readmission-pipeline"
    assert asked.body["experiment_id"] == experiment.experiment_id
    assert experiment.display_name == PIPELINE
    assert re.fullmatch(r"batch 2, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", asked.body["display_name"])
    (run,) = published.runs
    assert f"run_id   {run.run_id}\n" in done.out
    assert f"page     {published.url}/#/runs/details/{run.run_id}\n" in done.out


def test_the_page_is_where_a_browser_finds_the_dashboard(
    published: FakeKubeflow, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_PREDICT_KFP_URL", "https://pipelines.example/")
    done = call("submit", "--output", "json", "--host", published.url)
    answer = json.loads(done.out)
    (run,) = published.runs
    assert answer["page"] == f"https://pipelines.example/#/runs/details/{run.run_id}"


def test_other_data_come_without_the_published_archives_checksum(
    published: FakeKubeflow, call: Call
) -> None:
    call("submit", "--param", "data_uri=s3://bucket/x.parquet", "--host", published.url)
    (asked,) = published.sent("POST", "runs")
    given = asked.body["runtime_config"]["parameters"]
    assert given == {"data_uri": "s3://bucket/x.parquet", "data_sha256": ""}


def test_a_version_can_be_named(published: FakeKubeflow, call: Call) -> None:
    (version,) = published.versions
    named = ("--version", version.display_name, "--host", published.url)
    assert call("submit", *named).code == 0
    done = call("submit", "--version", f"{PIPELINE}-none", "--host", published.url)
    assert done.code == 2
    assert f"holds no {PIPELINE}-none; health-predict publish" in done.error


def test_without_a_published_pipeline_the_user_is_told_how_to_publish(
    kubeflow: FakeKubeflow, call: Call
) -> None:
    done = call("submit", "--host", kubeflow.url)
    assert done.code == 2
    assert f"holds no {PIPELINE}; health-predict publish puts it there" in done.error
    assert kubeflow.sent("POST", "runs") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch", "9"), "batch 9 is out of range"),
        (("--param", "tune_trials=many"), "tune_trials=many: is not a"),
        (("--param", "none=1"), "name one of data_uri"),
        (("--param", "target=death"), "death"),
        (("--param", "deploy_canary_steps=50,10"), "rising percentages"),
        (("--param", "data_uri=/data/x.csv"), "sees no file of this machine"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_asked(
    kubeflow: FakeKubeflow, call: Call, arguments: tuple[str, ...], said: str
) -> None:
    done = call("submit", *arguments, "--host", kubeflow.url)
    assert done.code == 2
    assert said in done.error
    assert kubeflow.asked == []


@pytest.mark.parametrize(
    ("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1), ("SKIPPED", 1)]
)
def test_waiting_ends_with_the_run_and_its_state(
    published: FakeKubeflow, call: Call, state: str, code: int
) -> None:
    published.states = [(state, {"ingest": "SUCCEEDED", "train": state})]
    done = call("submit", "--wait", "--host", published.url)
    assert done.code == code
    assert "SUCCEEDED ingest" in done.err
    assert "root" not in done.err
    if code:
        where = " in train" if state == "FAILED" else ""
        assert f": {state}{where}; {published.url}/#/runs/details/" in done.error


def test_a_run_is_followed_from_state_to_state(published: FakeKubeflow, call: Call) -> None:
    call("submit", "--host", published.url)
    ended = {**TASKS, "train": "FAILED"}
    published.states = [("PENDING", {}), ("RUNNING", TASKS), ("RUNNING", TASKS), ("FAILED", ended)]
    told: list[tuple[str, str]] = []
    run_id = published.runs[0].run_id
    client = connect(published.url)
    run = follow(client, published.url, run_id, lambda *said: told.append(said), poll_s=0.01)
    assert told == [("ingest", "SUCCEEDED"), ("train", "RUNNING"), ("train", "FAILED")]
    assert run.reason == f"run {run_id}: FAILED in train"


def test_a_short_break_of_the_connection_ends_no_wait_and_a_long_one_does(
    published: FakeKubeflow, call: Call
) -> None:
    call("submit", "--host", published.url)
    run_id, client = published.runs[0].run_id, connect(published.url)
    published.states = [("SUCCEEDED", {})]
    published.failures = [(503, "no healthy upstream")] * 3
    run = follow(client, published.url, run_id, lambda *_: None, poll_s=0.01, patience_s=30)
    assert run.state == "SUCCEEDED"
    published.failures = [(503, "no healthy upstream")] * 30
    with pytest.raises(KubeflowError, match="503 no healthy upstream"):
        follow(client, published.url, run_id, lambda *_: None, poll_s=0.01, patience_s=0.05)


def test_runs_are_listed_newest_first(published: FakeKubeflow, call: Call) -> None:
    for batch in ("0", "1"):
        call("submit", "--batch", batch, "--host", published.url)
    published.runs[0].state = "SUCCEEDED"
    done = call("runs", "--host", published.url)
    _, newest, oldest = done.out.splitlines()
    assert newest.startswith(published.runs[1].run_id)
    assert "batch 1, " in newest
    assert oldest.startswith(published.runs[0].run_id)
    assert "SUCCEEDED" in oldest
    answer = json.loads(
        call("runs", "--output", "json", "--most", "1", "--host", published.url).out
    )
    assert [run["run_id"] for run in answer["runs"]] == [published.runs[1].run_id]
