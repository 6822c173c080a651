"""Limits, headers and log lines of the short way."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from builders import random_rows
from serving_process import INFER, JSON_TYPE, PREDICT, Served, assert_error, inputs, serving

MOST_BYTES = 20_000
LOGGED_S = 20.0


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("limited")
    with serving(folder, "--max-body", str(MOST_BYTES), "--log-requests") as (server, _):
        yield server


def logged(served: Served) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    return [line for line in lines if line["message"] == "request"]


def logged_by_id(served: Served, *ids: str) -> dict[str, dict[str, object]]:
    """Return these requests' lines, which are written when they are answered already."""
    deadline = time.monotonic() + LOGGED_S
    while True:
        lines = {str(line.get("request_id")): line for line in logged(served)}
        if lines.keys() >= set(ids) or time.monotonic() > deadline:
            return lines
        time.sleep(0.01)


@pytest.mark.parametrize("path", [PREDICT, INFER, "/v1/models/other:predict"])
def test_a_body_over_the_limit_is_a_413(limited: Served, path: str) -> None:
    body = b" " * (MOST_BYTES + 1)
    assert_error(limited.client.post(path, content=body, headers=JSON_TYPE), 413)


def test_a_body_that_tells_no_length_is_cut_off_at_the_limit(limited: Served) -> None:
    pieces = (b" " * 1_000 for _ in range(MOST_BYTES // 1_000 + 1))
    assert_error(limited.client.post(PREDICT, content=pieces, headers=JSON_TYPE), 413)


def test_a_body_within_the_limit_may_come_in_pieces(limited: Served) -> None:
    rows = random_rows(2, seed=30)
    whole = orjson.dumps({"instances": rows})
    pieces = (whole[at : at + 100] for at in range(0, len(whole), 100))
    answer = limited.client.post(PREDICT, content=pieces, headers=JSON_TYPE)
    assert answer.json() == limited.post(PREDICT, {"instances": rows}).json()


def test_a_client_that_leaves_in_the_midst_of_its_request_harms_nobody(limited: Served) -> None:
    with socket.create_connection(("127.0.0.1", limited.client.base_url.port or 0)) as client:
        client.sendall(
            f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{".encode()
        )
    assert limited.post(PREDICT, {"instances": random_rows(1, seed=31)}).is_success
    assert "a request failed" not in limited.log.read_text()


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/readmission/ready", "/nowhere"])
def test_every_answer_carries_its_request_id_and_the_model_version(
    limited: Served, path: str
) -> None:
    sent = limited.client.post(path, json={}, headers={"x-request-id": "abc-1"})
    assert (sent.headers["x-request-id"], sent.headers["x-model-version"]) == ("abc-1", "3")
    made = [limited.client.post(path, json={}).headers["x-request-id"] for _ in range(2)]
    assert len({*made}) == 2
    assert all(len(each) == 32 for each in made)


@pytest.mark.parametrize("sent", ["a b", "x" * 129, "<script>", "ü"])
def test_an_odd_request_id_is_replaced(limited: Served, sent: str) -> None:
    headers = {"x-request-id": sent.encode("utf-8")}
    answer = limited.client.post(PREDICT, content=b"{}", headers=headers)  # type: ignore[arg-type]
    assert len(answer.headers["x-request-id"]) == 32


def test_a_request_is_logged_with_its_id_and_without_its_content(limited: Served) -> None:
    (row,) = random_rows(1, seed=32)
    secret = {**row, "age": "SECRETAGE", "SECRETFIELD": 1}
    headers = {"x-request-id": "logged-1"}
    assert_error(
        limited.client.post(
            f"{PREDICT}?SECRETQUERY", json={"instances": [secret]}, headers=headers
        ),
        400,
    )
    limited.client.get("/SECRETPATH", headers={"x-request-id": "logged-2"})
    lines = logged_by_id(limited, "logged-1", "logged-2")
    assert (lines["logged-1"]["path"], lines["logged-1"]["status"]) == (PREDICT, 400)
    assert (lines["logged-2"]["path"], lines["logged-2"]["status"]) == ("other", 404)
    assert "SECRET" not in limited.log.read_text()


def test_requests_are_not_logged_unless_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as (served, _):
        served.post(PREDICT, {"instances": random_rows(1, seed=33)})
        assert logged(served) == []


def test_metrics_tell_classes_risks_rows_and_unseen_columns(tmp_path: Path) -> None:
    with serving(tmp_path) as (served, _):
        rows = [{**row, "payer_code": "ZZ"} for row in random_rows(5, seed=34)]
        answers = [served.post(PREDICT, {"instances": rows}).json()["predictions"]]
        served.post(INFER, {"inputs": inputs(rows)})
        told = metrics(served.client)
    positive = sum(prediction["readmitted"] for prediction in answers[0])
    assert told['readmission_class_total{readmitted="true"}'] == 2 * positive
    assert told['readmission_class_total{readmitted="false"}'] == 2 * (5 - positive)
    assert told["readmission_probability_count"] == 10
    assert told["readmission_request_rows_sum"] == 10
    assert told['readmission_unseen_values_total{column="payer_code"}'] == 2
    assert told['request_predict_seconds_count{model_name="readmission"}'] == 2
    (info,) = [name for name in told if name.startswith("readmission_bundle_info")]
    assert 'version="3"' in info
    assert served.bundle.digest[:12] in info


def metrics(client: httpx.Client) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}
