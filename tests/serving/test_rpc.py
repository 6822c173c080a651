"""V2 over gRPC, as kserve's own client speaks it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from builders import Row, random_rows, tiny_bundle
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from serving_process import START_SECONDS, Served, inputs, process, serving

from components.deployment.local.ports import free_port


@dataclass(frozen=True)
class Spoken:
    served: Served
    address: str

    def call(self, method: str, request: Any) -> Any:
        with grpc.insecure_channel(self.address) as channel:
            return getattr(GRPCInferenceServiceStub(channel), method)(request, timeout=30)

    def refused(self, method: str, request: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, request)
        error: Any = caught.value
        details: dict[str, Any] = json.loads(error.details())
        assert set(details) == {"error", "details"}
        return error.code(), details


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoken]:
    port = free_port()
    options = ("--grpc-port", str(port), "--max-batch", "50", "--max-body", "100000")
    with serving(tmp_path_factory.mktemp("spoken"), *options) as (served, _):
        yield Spoken(served, f"127.0.0.1:{port}")


def tensors(rows: list[Row], *, binary: bool) -> list[InferInput]:
    made = []
    for sent in inputs(rows):
        tensor = InferInput(sent["name"], sent["shape"], sent["datatype"])
        kind = np.int64 if sent["datatype"] == "INT64" else np.object_
        tensor.set_data_from_numpy(np.array(sent["data"], dtype=kind), binary_data=binary)
        made.append(tensor)
    return made


def message(rows: list[Row], *, binary: bool = True) -> Any:
    return InferRequest("readmission", tensors(rows, binary=binary)).to_grpc()


@pytest.mark.parametrize("binary", [True, False])
def test_kserves_own_client_reads_the_answer(spoken: Spoken, binary: bool) -> None:
    rows = random_rows(5, seed=40)

    async def infer(client: InferenceGRPCClient) -> Any:
        request = InferRequest("readmission", tensors(rows, binary=binary), request_id="ours")
        return await client.infer(request)

    response = with_client(spoken, infer)
    offline = spoken.served.bundle.score_rows(rows)
    found = response.get_output_by_name("probability").as_numpy()
    classes = response.get_output_by_name("readmitted").as_numpy()
    assert np.abs(found - offline).max() < 1e-6
    assert classes.tolist() == (offline >= spoken.served.bundle.facts.threshold).tolist()
    assert (response.model_version, response.id) == ("3", "ours")
    assert response.parameters["bundle"].string_param == spoken.served.bundle.digest[:12]


def test_kserves_own_client_finds_the_model_ready(spoken: Spoken) -> None:
    async def ask(client: InferenceGRPCClient) -> tuple[bool, bool, bool]:
        return (
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready("readmission"),
        )

    assert with_client(spoken, ask) == (True, True, True)


def with_client(spoken: Spoken, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    async def asked() -> Any:
        async with InferenceGRPCClient(spoken.address) as client:
            return await ask(client)

    return asyncio.run(asked())


def test_identifiers_come_back_as_tensors(spoken: Spoken) -> None:
    rows = [
        {**row, "encounter_id": n, "patient_nbr": 7} for n, row in enumerate(random_rows(2, 41), 5)
    ]
    outputs = [output.name for output in spoken.call("ModelInfer", message(rows)).outputs]
    assert outputs == ["probability", "readmitted", "encounter_id", "patient_nbr"]


def test_values_that_training_never_saw_are_named(spoken: Spoken) -> None:
    rows = [{**random_rows(1, seed=42)[0], "payer_code": "ZZ"}]
    answer = spoken.call("ModelInfer", message(rows))
    assert json.loads(answer.parameters["warnings"].string_param) == {"payer_code": ["ZZ"]}


def test_the_metadata_names_version_and_tensors(spoken: Spoken) -> None:
    metadata = spoken.call("ModelMetadata", pb.ModelMetadataRequest(name="readmission"))
    assert list(metadata.versions) == ["3"]
    assert len(metadata.inputs) == len(spoken.served.bundle.schema.features)


def test_bad_fields_are_an_invalid_argument_that_tells_each(spoken: Spoken) -> None:
    (row,) = random_rows(1, seed=43)
    code, told = spoken.refused("ModelInfer", message([{**row, "age": "old", "gender": "x"}]))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert {detail["field"] for detail in told["details"]} == {"age", "gender"}


def test_too_many_rows_exhaust_a_resource(spoken: Spoken) -> None:
    code, _ = spoken.refused("ModelInfer", message(random_rows(51, seed=44)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_message_over_the_limit_is_refused(spoken: Spoken) -> None:
    huge = pb.ModelInferRequest(model_name="readmission", id="x" * 200_000)
    with pytest.raises(grpc.RpcError) as caught:
        spoken.call("ModelInfer", huge)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "ModelReady"])
def test_another_model_is_not_found(spoken: Spoken, method: str) -> None:
    request = {
        "ModelInfer": pb.ModelInferRequest(model_name="other"),
        "ModelMetadata": pb.ModelMetadataRequest(name="other"),
        "ModelReady": pb.ModelReadyRequest(name="other"),
    }[method]
    assert spoken.refused(method, request)[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("method", ["Load", "Unload"])
def test_a_stranger_cannot_load_or_remove_a_model(spoken: Spoken, method: str) -> None:
    request = getattr(pb, f"RepositoryModel{method}Request")(model_name="readmission")
    code, _ = spoken.refused(f"RepositoryModel{method}", request)
    assert code is grpc.StatusCode.PERMISSION_DENIED
    ready = spoken.call("ModelReady", pb.ModelReadyRequest(name="readmission"))
    assert ready.ready


@pytest.mark.parametrize("raw", [b"", b"\x01", b"\xff\xff\xff\xff", b"\x01\x00\x00\x00\xff"])
@pytest.mark.parametrize("datatype", ["BYTES", "INT64", "FP16", "X", ""])
def test_malformed_contents_are_an_invalid_argument(
    spoken: Spoken, raw: bytes, datatype: str
) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="age", datatype=datatype, shape=[1])
    request = pb.ModelInferRequest(model_name="readmission", inputs=[tensor])
    assert spoken.refused("ModelInfer", request)[0] is grpc.StatusCode.INVALID_ARGUMENT
    request.raw_input_contents.extend([raw])
    assert spoken.refused("ModelInfer", request)[0] is grpc.StatusCode.INVALID_ARGUMENT
    request.raw_input_contents.extend([raw])
    assert spoken.refused("ModelInfer", request)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_a_boolean_in_an_integer_column_is_refused(spoken: Spoken) -> None:
    request = message(random_rows(1, seed=45), binary=False)
    (tensor,) = [each for each in request.inputs if each.name == "number_inpatient"]
    tensor.datatype = "BOOL"
    tensor.contents.bool_contents.extend([True])
    code, told = spoken.refused("ModelInfer", request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [detail["field"] for detail in told["details"]] == ["number_inpatient"]


def test_a_taken_grpc_port_is_named_and_ends_with_2(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, log = taken.getsockname()[1], tmp_path / "log"
        with process(tmp_path / "bundle", free_port(), log, "--grpc-port", str(port)) as server:
            assert server.wait(START_SECONDS) == 2
    assert f"127.0.0.1:{port}" in log.read_text().splitlines()[-1]
