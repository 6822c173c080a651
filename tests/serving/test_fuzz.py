"""Tens of thousands of faulty requests to a true server: none becomes a fault of the server."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from builders import random_rows
from faulty import Faulty
from faulty_messages import Message, faulty_message
from fitted import fitted, training
from keepalive import SECONDS, Answer, Request, answers
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from mutants import SECRET, SECRET_NUMBER
from serving_process import EXPLAIN, INFER, PREDICT, Served, serving

from components.deployment.local.ports import free_port
from components.ingest.synthetic import synthesise

REQUESTS = {"predict": 34_000, "infer": 11_000, "binary": 5_000}
EXPLANATIONS, MESSAGES = 400, 3_000
MAX_BATCH = 50
LIMITS = ("--max-batch", str(MAX_BATCH), "--max-body", "100000", "--log-requests")
STATUSES = {200, 400, 404, 405, 413}
CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
SHOWN = 5


@dataclass(frozen=True)
class Fuzzed:
    """A server that logs each request, and where it is reached."""

    served: Served
    port: int
    grpc_port: int

    def wait_until_logged(self, number: int) -> int:
        """Count the requests in the log, which are written when they are answered already."""
        deadline = time.monotonic() + SECONDS
        while (logged := self.requests_logged()) < number and time.monotonic() < deadline:
            time.sleep(0.01)
        return logged

    def requests_logged(self) -> int:
        """Count the requests in the log; anything else in it, or a sent value, is a fault."""
        text = self.served.log.read_text()
        assert SECRET not in text
        assert str(SECRET_NUMBER) not in text
        listening, *others = [json.loads(line)["message"] for line in text.splitlines()]
        assert listening.startswith("listening")
        assert set(others) <= {"request"}
        return len(others)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder, grpc_port = tmp_path_factory.mktemp("fuzzed"), free_port()
    made = fitted("xgboost", training(synthesise(1_500, seed=5)), folder / "bundle", resource=20)
    options = (*LIMITS, "--grpc-port", str(grpc_port))
    with serving(folder, *options, bundle=made.bundle) as (served, _):
        port = served.client.base_url.port
        assert port is not None
        found = Fuzzed(served, port, grpc_port)
        # The question whether it is ready, which would else be counted with the first test's.
        assert found.wait_until_logged(1) == 1
        yield found


def statuses(fuzzed: Fuzzed, requests: Iterator[Request]) -> Counter[tuple[str, int]]:
    """Send all requests, and count their answers by path and status."""
    counted, faults = Counter[tuple[str, int]](), list[str]()
    for number, (request, answer) in enumerate(answers(fuzzed.port, requests)):
        counted[request.path, answer.status] += 1
        if why := fault(request, answer):
            faults.append(f"request {number}, {why}: {request!r:.3000}\n -> {answer!r:.1000}")
    assert faults == [], f"{len(faults)} faults:\n" + "\n".join(faults[:SHOWN])
    return counted


def fault(request: Request, answer: Answer) -> str | None:
    """Say what is wrong with an answer."""
    if answer.status not in STATUSES:
        return "its status"
    if answer.status == 200:
        right = not request.risks or risks(request, answer) == pytest.approx(request.risks)
        return None if right else "its risks"
    if request.risks and not (answer.status == 413 and len(request.risks) > MAX_BATCH):
        return "it is refused"
    plain = request.method == "HEAD" or is_error(answer)
    return None if plain else "its form"


def is_error(answer: Answer) -> bool:
    return answer.kind == "application/json" and set(json.loads(answer.body)) == {
        "error",
        "details",
    }


def risks(request: Request, answer: Answer) -> list[float]:
    body = json.loads(answer.body)
    if request.path == INFER:
        return [
            risk for out in body["outputs"] if out["name"] == "probability" for risk in out["data"]
        ]
    return [said["probability"] for said in body.get("predictions") or body["explanations"]]


def test_fifty_thousand_faulty_requests_are_refused_or_answered(fuzzed: Fuzzed) -> None:
    before = fuzzed.requests_logged()
    counted = statuses(fuzzed, Faulty(fuzzed.served.bundle, seed=1).requests(**REQUESTS))
    print(f"\n{counted.total()} requests were answered: {counted.most_common(6)}")
    assert counted.total() == sum(REQUESTS.values()) >= 50_000
    assert fuzzed.wait_until_logged(before + counted.total()) == before + counted.total()
    assert min(counted[path, status] for path in (PREDICT, INFER) for status in (200, 400)) > 1_000
    assert_scores(fuzzed)


def test_faulty_requests_for_explanations_are_refused_or_answered(fuzzed: Fuzzed) -> None:
    before = fuzzed.requests_logged()
    requests = Faulty(fuzzed.served.bundle, seed=2).requests(explain=EXPLANATIONS)
    counted = statuses(fuzzed, requests)
    assert fuzzed.wait_until_logged(before + EXPLANATIONS) == before + EXPLANATIONS
    assert min(counted[EXPLAIN, status] for status in (200, 400)) > 20
    assert_scores(fuzzed)


def test_faulty_messages_are_refused_or_answered(fuzzed: Fuzzed) -> None:
    faulty, counted = Faulty(fuzzed.served.bundle, seed=3), Counter[grpc.StatusCode]()
    with grpc.insecure_channel(f"127.0.0.1:{fuzzed.grpc_port}") as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        for _ in range(MESSAGES):
            counted[code_of_answer(infer, faulty_message(faulty))] += 1
    print(f"\n{counted.total()} messages were answered: {counted.most_common()}")
    assert set(counted) == CODES
    fuzzed.requests_logged()
    assert_scores(fuzzed)


def code_of_answer(infer: Any, message: Message) -> grpc.StatusCode:
    """Send a message, and look at what it is answered."""
    try:
        answer = infer(message.content, timeout=SECONDS)
    except grpc.RpcError as error:
        refused: Any = error
        assert not message.risks or len(message.risks) > MAX_BATCH
        assert set(json.loads(refused.details())) == {"error", "details"}, message
        return refused.code()
    found = np.frombuffer(answer.raw_output_contents[0]).tolist()
    assert not message.risks or found == pytest.approx(message.risks)
    return grpc.StatusCode.OK


def assert_scores(fuzzed: Fuzzed) -> None:
    """Check that a plain request gets the bundle's number, whatever was asked before."""
    rows = random_rows(3, seed=4)
    said = fuzzed.served.post(PREDICT, {"instances": rows}).json()["predictions"]
    expected = fuzzed.served.bundle.score_rows(rows).tolist()
    assert [prediction["probability"] for prediction in said] == pytest.approx(expected)
