from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from builders import Row, random_rows, tiny_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.errors import ModelNotReady
from serving_process import (
    INFER,
    JSON_TYPE,
    PREDICT,
    ROOT,
    START_SECONDS,
    Served,
    assert_error,
    inputs,
    process,
    serving,
)

from components.deployment.local.ports import free_port
from components.errors import BundleError
from serving.logs import JsonFormatter
from serving.predictor import ReadmissionPredictor
from serving.server import ReadmissionServer, listen

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), "--max-batch", "50") as (server, _):
        yield server


def outputs(response: httpx.Response) -> dict[str, list[Any]]:
    return {output["name"]: output["data"] for output in response.json()["outputs"]}


def errors_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_both_protocols_answer_what_the_bundle_scores(served: Served) -> None:
    rows = random_rows(20, seed=10)
    offline = served.bundle.score_rows(rows)
    first = served.post(PREDICT, {"instances": rows}).json()
    second = outputs(served.post(INFER, {"inputs": inputs(rows)}))
    probabilities = [prediction["probability"] for prediction in first["predictions"]]
    classes = [prediction["readmitted"] for prediction in first["predictions"]]
    assert np.abs(np.array(probabilities) - offline).max() < 1e-6
    assert np.abs(np.array(second["probability"]) - offline).max() < 1e-6
    assert (
        classes
        == second["readmitted"]
        == [probability >= served.bundle.facts.threshold for probability in offline]
    )


def test_every_answer_names_its_version_and_bundle(served: Served) -> None:
    rows = random_rows(1, seed=11)
    first = served.post(PREDICT, {"instances": rows}).json()
    second = served.post(INFER, {"inputs": inputs(rows), "id": "ours"}).json()
    assert first["model_version"] == second["model_version"] == "3"
    assert first["bundle"] == second["parameters"]["bundle"] == served.bundle.digest[:12]
    assert second["id"] == "ours"


def test_a_request_without_an_id_gets_one(served: Served) -> None:
    body = served.post(INFER, {"inputs": inputs(random_rows(1, seed=12))}).json()
    assert len(body["id"]) == 36


def test_identifiers_come_back_and_change_nothing(served: Served) -> None:
    (row,) = random_rows(1, seed=13)
    sent = [row, {**row, "encounter_id": 5, "patient_nbr": 6}]
    bare, named = served.post(PREDICT, {"instances": sent}).json()["predictions"]
    assert named == {**bare, "encounter_id": 5, "patient_nbr": 6}


def test_values_that_training_never_saw_are_named(served: Served) -> None:
    rows = [{**random_rows(1, seed=14)[0], "payer_code": "ZZ"}]
    first = served.post(PREDICT, {"instances": rows}).json()
    second = served.post(INFER, {"inputs": inputs(rows)}).json()
    assert first["warnings"] == {"payer_code": ["ZZ"]}
    assert json.loads(second["parameters"]["warnings"]) == first["warnings"]


def test_nothing_unseen_gives_no_warnings(served: Served) -> None:
    body = served.post(PREDICT, {"instances": random_rows(1, seed=15)}).json()
    assert "warnings" not in body


def test_the_metadata_names_version_platform_and_every_column(served: Served) -> None:
    metadata = served.client.get("/v2/models/readmission").json()
    assert metadata["versions"] == ["3"]
    assert metadata["platform"] == "onnxruntime"
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == {
        column.name: "INT64" if column.is_integer else "BYTES"
        for column in served.bundle.schema.features
    }
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["probability", "readmitted"]


def test_the_ready_reply_holds_the_whole_digest(served: Served) -> None:
    assert served.client.get("/v1/models/readmission").json() == {
        "name": "readmission",
        "ready": True,
        "model_version": "3",
        "bundle": served.bundle.digest,
    }


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", ""])
def test_json_is_read_whatever_its_content_type_says(served: Served, kind: str) -> None:
    rows = random_rows(2, seed=16)
    headers = {"content-type": kind}
    for path, body in ((PREDICT, {"instances": rows}), (INFER, {"inputs": inputs(rows)})):
        plain = served.post(path, {**body, "id": "same"}).json()
        odd = served.client.post(
            path, content=json.dumps({**body, "id": "same"}), headers=headers
        ).json()
        assert odd == plain


def test_kserves_own_client_reads_the_answer(served: Served) -> None:
    rows = random_rows(5, seed=17)
    tensors = [InferInput(t["name"], t["shape"], t["datatype"], t["data"]) for t in inputs(rows)]
    assert_client_reads(served, rows, tensors)


def test_kserves_own_client_may_send_binary_tensors(served: Served) -> None:
    rows = random_rows(5, seed=18)
    tensors = []
    for sent in inputs(rows):
        kind = np.int64 if sent["datatype"] == "INT64" else np.object_
        tensor = InferInput(sent["name"], sent["shape"], sent["datatype"])
        tensor.set_data_from_numpy(np.array(sent["data"], dtype=kind))
        tensors.append(tensor)
    assert_client_reads(served, rows, tensors)


def assert_client_reads(served: Served, rows: list[Row], tensors: list[InferInput]) -> None:
    async def infer() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
        try:
            request = InferRequest("readmission", tensors)
            return await client.infer(str(served.client.base_url), request, "readmission")
        finally:
            await client.close()

    response = asyncio.run(infer())
    probabilities = response.get_output_by_name("probability").as_numpy()
    assert np.abs(probabilities - served.bundle.score_rows(rows)).max() < 1e-6


def test_an_answer_may_be_asked_for_as_binary_tensors(served: Served) -> None:
    rows = random_rows(3, seed=19)
    body = {"inputs": inputs(rows), "parameters": {"binary_data_output": True}}
    content = served.post(INFER, body).content
    assert np.frombuffer(content[-3 * 8 - 3 : -3]).tolist() == list(served.bundle.score_rows(rows))


def test_bad_fields_are_told_with_row_and_allowed_values(served: Served) -> None:
    good, bad = random_rows(2, seed=20)
    body = assert_error(
        served.post(PREDICT, {"instances": [good, {**bad, "time_in_hospital": 99, "x": 1}]}), 400
    )
    assert {(detail["row"], detail["field"]) for detail in body["details"]} == {
        (1, "time_in_hospital"),
        (1, "x"),
    }


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b"3", b'"text"', b"{}", b"[" * 100_000],
)
def test_a_body_that_is_no_request_is_a_400(served: Served, path: str, content: bytes) -> None:
    assert_error(served.client.post(path, content=content, headers=JSON_TYPE), 400)


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": 3},
        {"inputs": []},
        {"inputs": [{"name": "age"}]},
        {"inputs": [], "id": 3},
        {"inputs": [{"name": "age", "shape": [1], "datatype": "FP16", "data": [1]}]},
        {"inputs": [{"name": "age", "shape": [1], "datatype": "AGE", "data": [1]}]},
        {"inputs": [{"name": "age", "shape": ["x"], "datatype": "BYTES", "data": [1]}]},
    ],
)
def test_a_malformed_v2_request_is_a_400(served: Served, body: object) -> None:
    assert_error(served.post(INFER, body), 400)


@pytest.mark.parametrize(
    "data", ["[NaN]", "[Infinity]", "[1e999]", '["\\ud800"]', f"[{'9' * 4000}]"]
)
@pytest.mark.parametrize("datatype", ["BYTES", "INT64"])
def test_json_that_is_no_plain_json_is_a_400(served: Served, data: str, datatype: str) -> None:
    names = ("age", "time_in_hospital", "\\udfff")
    sent = ",".join(
        f'{{"name": "{name}", "shape": [1], "datatype": "{datatype}", "data": {data}}}'
        for name in names
    )
    content = f'{{"inputs": [{sent}]}}'.encode()
    assert_error(served.client.post(INFER, content=content, headers=JSON_TYPE), 400)


@pytest.mark.parametrize("length", ["2", "-1", "x", "999"])
def test_malformed_binary_tensors_are_a_400(served: Served, length: str) -> None:
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": length,
    }
    for content in (b"{}", b'{"inputs": [1]}', b'{"inputs": [{"name": []}]}', b"\x00"):
        assert_error(served.client.post(INFER, content=content, headers=headers), 400)


@given(JSON | st.fixed_dictionaries({"instances": JSON, "inputs": JSON}))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_json_is_a_fault_of_the_server(served: Served, body: object) -> None:
    content = json.dumps(body)
    for path in (PREDICT, INFER):
        assert_error(served.client.post(path, content=content, headers=JSON_TYPE), 400)


def test_too_many_rows_are_a_413(served: Served) -> None:
    rows = random_rows(51, seed=21)
    assert_error(served.post(PREDICT, {"instances": rows}), 413)
    assert_error(served.post(INFER, {"inputs": inputs(rows)}), 413)


@pytest.mark.parametrize("verb", ["load", "unload"])
@pytest.mark.parametrize("name", ["readmission", "other"])
def test_a_stranger_cannot_load_or_remove_a_model(served: Served, verb: str, name: str) -> None:
    assert_error(served.post(f"/v2/repository/models/{name}/{verb}", {}), 403)
    assert served.client.get("/v2/models/readmission/ready").is_success


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("GET", "/v1/models/other", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/v2/models/readmission", 405),
        ("POST", "/v1/models/readmission:explain", 501),
    ],
)
def test_every_error_has_one_form(served: Served, method: str, path: str, status: int) -> None:
    assert_error(served.client.request(method, path, json={}), status)


def test_metrics_are_served(served: Served) -> None:
    assert "request_predict_seconds" in served.client.get("/metrics").text


def test_no_value_of_a_patient_reaches_the_log(served: Served) -> None:
    (row,) = random_rows(1, seed=22)
    secret = {**row, "payer_code": "SECRETPAYER", "encounter_id": 987654321}
    assert served.post(PREDICT, {"instances": [secret]}).is_success
    assert_error(served.post(PREDICT, {"instances": [{**secret, "age": "SECRETAGE"}]}), 400)
    assert_error(served.post(INFER, {"inputs": inputs([secret | {"age": "SECRETAGE"}])}), 400)
    text = served.log.read_text()
    assert "SECRET" not in text
    assert "987654321" not in text
    assert [line["message"].split()[0] for line in errors_of(served.log)] == ["listening"]


def test_an_exception_is_logged_by_its_place_and_without_its_message() -> None:
    try:
        int("SECRET")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "SECRET" not in line
    assert json.loads(line)["exception"] == "ValueError"
    assert "test_server.py" in json.loads(line)["at"][0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_well(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (served, server):
        server.send_signal(number)
        assert server.wait(60) == 0
        assert served.log.with_suffix(".out").read_bytes() == b""
        assert [line["level"] for line in errors_of(served.log)] == ["info"]


def test_a_taken_port_is_named_and_ends_with_2(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(tmp_path / "bundle", port, tmp_path / "log") as server:
            assert server.wait(START_SECONDS) == 2
    (line,) = errors_of(tmp_path / "log")
    assert f"port {port}" in line["message"]


def test_an_altered_bundle_never_serves(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    with (tmp_path / "bundle" / "model.onnx").open("ab") as model:
        model.write(b"\0")
    port = free_port()
    with process(tmp_path / "bundle", port, tmp_path / "log") as server:
        assert server.wait(START_SECONDS) == 1
    (line,) = errors_of(tmp_path / "log")
    assert "sha256 of model.onnx is wrong" in line["message"]


@pytest.mark.parametrize("option", [["--port", "x"], ["--max-batch", "0"], ["--http_port", "1"]])
def test_a_wrong_option_is_a_usage_error(tmp_path: Path, option: list[str]) -> None:
    with process(tmp_path, 0, tmp_path / "log", *option) as server:
        assert server.wait(START_SECONDS) == 2
    assert option[0] in (tmp_path / "log").read_text()


def test_a_model_that_is_not_loaded_is_never_ready(tmp_path: Path) -> None:
    model = ReadmissionPredictor(tmp_path, "3")
    model.start()
    model.ready = True
    assert not model.ready
    with pytest.raises(BundleError):
        model.load()
    model.start()
    assert not model.ready
    with pytest.raises(ModelNotReady):
        model.predict({"instances": []})


def test_a_model_that_is_not_ready_answers_503(tmp_path: Path) -> None:
    tiny_bundle(tmp_path)
    model, rows = ReadmissionPredictor(tmp_path, "3"), random_rows(1, seed=23)

    async def statuses(transport: httpx.ASGITransport) -> dict[str, httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            answers = {
                path: await client.get(path)
                for path in (
                    "/v1/models/readmission",
                    "/v2/models/readmission",
                    "/v2/models/readmission/ready",
                    "/v2/health/ready",
                )
            }
            answers[PREDICT] = await client.post(PREDICT, json={"instances": rows})
            answers[INFER] = await client.post(INFER, json={"inputs": inputs(rows)})
            return answers

    with listen("127.0.0.1", 0) as listener:
        server = ReadmissionServer(listener, model)
        server.rest.create_application()
        transport = httpx.ASGITransport(server.rest.app)
        for response in asyncio.run(statuses(transport)).values():
            assert_error(response, 503)
        model.load()
        after = asyncio.run(statuses(transport))
    assert {path: response.status_code for path, response in after.items()} == dict.fromkeys(
        after, 200
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_listens_on_the_loopback_alone_by_default(served: Served) -> None:
    port = served.client.base_url.port
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_importing_the_server_needs_no_training_library() -> None:
    code = (
        "import sys, serving.server; "
        "print([m for m in ('sklearn', 'mlflow', 'ray', 'xgboost', 'kfp') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
