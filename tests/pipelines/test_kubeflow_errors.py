"""Where the API of Kubeflow Pipelines is, and one line for whatever it refuses."""

from __future__ import annotations

import pytest
from calling import Call
from fake_kubeflow import FakeKubeflow

from pipelines import kubeflow as api


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, '{"error": "boom", "code": 13}'), "listing the runs: 500 boom; see the log of"),
        ((403, '{"message": "may not list"}'), "403 may not list; ask for the right"),
        ((404, "nothing here"), "404 nothing here"),
    ],
)
def test_what_the_api_refuses_is_one_line(
    kubeflow: FakeKubeflow, call: Call, answer: tuple[int, str], said: str
) -> None:
    kubeflow.failures = [answer]
    done = call("runs", "--host", kubeflow.url)
    assert done.code == 1
    assert done.error.startswith(f"error: {kubeflow.url}: ")
    assert said in done.error


def test_an_api_that_hangs_is_given_up(
    kubeflow: FakeKubeflow, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "TIMEOUTS_S", (5.0, 0.1))
    kubeflow.failures = [(0, "")] * 4
    done = call("runs", "--host", kubeflow.url)
    assert done.code == 1
    assert f"error: {kubeflow.url}: listing the runs: " in done.error
    assert "timed out; is it forwarded? kubectl" in done.error


@pytest.mark.parametrize(
    ("host", "code", "said"),
    [
        ("", 2, "name the API with --host or HEALTH_PREDICT_KFP_HOST"),
        ("127.0.0.1:8080", 2, "write a URL, such as http://127.0.0.1:8080"),
        ("http://127.0.0.1:9", 1, "does not answer: connection refused; is it forwarded? kubectl"),
    ],
)
def test_a_host_that_is_none_is_one_line(call: Call, host: str, code: int, said: str) -> None:
    done = call("runs", "--host", host)
    assert done.code == code
    assert said in done.error


def test_a_dashboard_without_its_api_is_one_line(kubeflow: FakeKubeflow, call: Call) -> None:
    kubeflow.health = {"apiServerReady": False}
    done = call("runs", "--host", kubeflow.url)
    assert done.code == 1
    assert "the API does not answer; see the log of deployment ml-pipeline" in done.error
    assert [asked.path for asked in kubeflow.asked] == ["healthz"]


def test_another_server_is_not_taken_for_kubeflow(call: Call, s3_endpoint: str) -> None:
    done = call("runs", "--host", s3_endpoint)
    assert done.code == 1
    assert f"error: {s3_endpoint}: " in done.error


def test_the_host_may_stand_in_the_environment(
    published: FakeKubeflow, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_PREDICT_KFP_HOST", published.url)
    assert call("submit").code == 0
    assert len(published.runs) == 1
