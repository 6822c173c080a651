"""The requests that the serving bench sends: real encounters, written out in full beforehand."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from bench.serving_plan import HOST, Protocol
from kserve import InferInput, InferRequest

from components.registry import MODEL
from components.schema import Column, encounter_schema

BODIES = {1: 200, 100: 20, 1000: 8}
"""How many different bodies are sent, by the rows of each."""

Row = Mapping[str, int | str]

_SEED = 11


def write_requests(table: pa.Table, path: Path) -> None:
    """Write requests of each protocol and size, with rows drawn from a table."""
    draw = np.random.default_rng(_SEED)
    requests: dict[tuple[Protocol, int], tuple[bytes, ...]] = {}
    for size, number in BODIES.items():
        chosen = pa.array(draw.integers(table.num_rows, size=size * number))
        rows = table.select(_names()).take(chosen).to_pylist()
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        for protocol in Protocol:
            requests[protocol, size] = tuple(_rendered(protocol, parts))
    path.write_bytes(pickle.dumps(requests))


def _names() -> list[str]:
    return [column.name for column in encounter_schema().features]


def _rendered(protocol: Protocol, parts: Sequence[Sequence[Row]]) -> Iterator[bytes]:
    for number, rows in enumerate(parts):
        if protocol is Protocol.V1:
            yield _http(f"/v1/models/{MODEL}:predict", {"instances": rows})
        elif protocol is Protocol.V2:
            body = {"id": str(number), "inputs": [_tensor(c, rows) for c in _columns()]}
            yield _http(f"/v2/models/{MODEL}/infer", body)
        else:
            yield _message(number, rows)


def _columns() -> tuple[Column, ...]:
    return tuple(encounter_schema().features)


def _http(path: str, body: object) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _tensor(column: Column, rows: Sequence[Row]) -> dict[str, object]:
    return {
        "name": column.name,
        "shape": [len(rows)],
        "datatype": _datatype(column),
        "data": [row[column.name] for row in rows],
    }


def _message(number: int, rows: Sequence[Row]) -> bytes:
    """Return the message that kserve's own client sends for arrays: raw contents."""
    inputs = []
    for column in _columns():
        values = [row[column.name] for row in rows]
        data = np.array(values, dtype=np.int64 if column.is_integer else np.object_)
        inputs.append(InferInput(column.name, [len(rows)], _datatype(column), data))
    request = InferRequest(model_name=MODEL, infer_inputs=inputs, request_id=str(number))
    message: bytes = request.to_grpc().SerializeToString()
    return message


def _datatype(column: Column) -> str:
    return "INT64" if column.is_integer else "BYTES"
