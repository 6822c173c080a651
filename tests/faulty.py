"""Requests of each protocol, most of them with faults, made of encounters whose risks are known."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from builders import Row, random_rows
from faulty_tensors import NAMES, TENSOR_FAULTS, binary_tensors
from keepalive import Headers, Request
from mutants import SECRET, SECRET_NUMBER, Mutator
from serving_process import EXPLAIN, INFER, PREDICT, inputs

from components.registry.bundle import Bundle

MOST_ROWS = 60
_JSON = ("content-type", "application/json")
_LENGTH = "inference-header-content-length"
_POOL = 300
_REQUEST = ("id", "inputs", "outputs", "parameters")
_ELSEWHERE = (
    "/v1/models/other:predict", "/v2/models/other/infer", f"/{SECRET}", f"{PREDICT}/", "//",
    f"{PREDICT}?{SECRET}=1", f"{INFER}?x", "/v1/models/readmission%3Apredict", "/%00",
    "/v1/models/readmission:Predict", "/v2/models/readmission", "/v1/models", "/metrics/x", "*",
)  # fmt: skip
_METHODS = ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
_ODD_OUTPUTS: tuple[object, ...] = (
    [{"name": "probability"}], [{"name": "other"}], [{"name": "readmitted", "parameters": {}}], [],
    [{"name": "probability", "parameters": {"binary_data": True}}], [{}], [3], "probability",
    [{"name": "probability"}] * 2, [{"name": "probability", "parameters": {"binary_data": 3}}],
)  # fmt: skip
_ODD_PARAMETERS: tuple[object, ...] = (
    {"binary_data_output": True}, {"binary_data_output": "x"}, {"x": [1]}, {"": None}, [], 3, {},
)  # fmt: skip


class Faulty:
    """Draws requests; ``bundle`` says what those without a fault must be answered."""

    def __init__(self, bundle: Bundle, seed: int) -> None:
        self.by = Mutator(seed)
        plain = random_rows(_POOL, seed)
        secret: Row = {"payer_code": SECRET, "encounter_id": SECRET_NUMBER, "patient_nbr": 1}
        known = (plain, [{**row, **secret} for row in plain])
        self._pools = [
            [*zip(rows, bundle.score_rows(rows).tolist(), strict=True)] for rows in known
        ]

    def requests(self, **numbers: int) -> Iterator[Request]:
        """Return so many requests of each kind: ``predict``, ``explain``, ``infer``, ``binary``."""
        return chain.from_iterable(
            (getattr(self, kind)() for _ in range(number)) for kind, number in numbers.items()
        )

    def predict(self) -> Request:
        """Return a request of V1."""
        return self._v1(PREDICT, MOST_ROWS)

    def explain(self) -> Request:
        """Return a request for an explanation."""
        return self._v1(EXPLAIN, 3)

    def infer(self) -> Request:
        """Return a request of V2 in JSON."""
        rows, risks = self.drawn()
        body: dict[str, Any] = {"id": SECRET, "inputs": inputs(rows)}
        if self.by.chance(0.05):
            return self._request(INFER, self.by.text(body), risks=risks)
        return self._damaged(INFER, self.by.text(self._faulty_inference(body)))

    def binary(self) -> Request:
        """Return a request of V2 with the tensors' bytes behind its JSON."""
        rows, risks = self.drawn()
        tensors, raw = binary_tensors(inputs(rows))
        body: dict[str, Any] = {"id": SECRET, "inputs": tensors}
        valid = self.by.chance(0.05)
        head = self.by.text(body if valid else self._faulty_inference(body))
        length = (_LENGTH, str(len(head)))
        if valid:
            return self._request(INFER, head + raw, (length,), risks)
        if self.by.chance(0.3):
            raw = self.by.damaged(raw)
        sent = self._damaged(INFER, head + raw, 0.1)
        keep = self.by.chance(0.9)
        return Request(
            sent.method, sent.path, (*sent.headers, *([length] if keep else [])), sent.body
        )

    def _v1(self, path: str, most: int) -> Request:
        rows, risks = self.drawn(most)
        if self.by.chance(0.05):
            return self._request(path, self.by.text({"instances": rows}), risks=risks)
        share = 1 if len(rows) == 1 else 0.1  # among many rows, most are good
        sent = [self._faulty_row(row) if self.by.chance(share) else row for row in rows]
        body: dict[str, Any] = {"instances": sent}
        if self.by.chance(0.08):
            body = self.by.fields(body, ("instances", "parameters", "inputs"), 1)
        return self._damaged(path, self.by.text(body))

    def drawn(self, most: int = MOST_ROWS) -> tuple[list[Row], tuple[float, ...]]:
        """Return some encounters, mostly one, with their risks."""
        size = self.by.draw.randint(2, most) if self.by.chance(0.03) else 1
        rows, risks = zip(
            *self.by.draw.choices(self.by.draw.choice(self._pools), k=size), strict=True
        )
        return [*rows], risks

    def _faulty_row(self, row: Row) -> object:
        return self.by.odd() if self.by.chance(0.05) else self.by.fields(row, NAMES)

    def _faulty_inference(self, body: dict[str, Any]) -> dict[str, Any]:
        draw = self.by.draw
        tensors: list[Any] = body["inputs"]
        for place in draw.sample(range(len(tensors)), draw.randint(0, 2)):
            draw.choice(TENSOR_FAULTS)(self.by, tensors, place)
        if self.by.chance(0.1):
            body["outputs"] = draw.choice(_ODD_OUTPUTS)
        if self.by.chance(0.1):
            body["parameters"] = draw.choice(_ODD_PARAMETERS)
        return self.by.fields(body, _REQUEST, 1) if self.by.chance(0.15) else body

    def _damaged(self, path: str, body: bytes, share: float = 0.15) -> Request:
        """Return a request with, now and then, faults outside of its JSON as well."""
        body = self.by.damaged(body) if self.by.chance(share) else body
        if self.by.chance(0.98):
            return self._request(
                path, body, self.by.headers() if self.by.chance(0.15) else (_JSON,)
            )
        if self.by.chance(0.5):
            return self._request(self.by.draw.choice(_ELSEWHERE), body)
        return Request(self.by.draw.choice(_METHODS), path, (_JSON,), body)

    def _request(
        self, path: str, body: bytes, headers: Headers = (_JSON,), risks: tuple[float, ...] = ()
    ) -> Request:
        chunks = self.by.draw.randint(1, 4) if self.by.chance(0.03) else 0
        return Request("POST", path, headers, body, chunks, risks)
