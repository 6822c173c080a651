"""The bodies of ``:predict``, ``:explain`` and ``infer``, answered without kserve's endpoints."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from serving.errors import RequestError
from serving.pieces import instance_pieces, parsed_pieces
from serving.predictor import ReadmissionPredictor
from serving.tensors import PlainTensor

Headers = Mapping[bytes, bytes]

_TENSOR_FIELDS = {"name", "shape", "datatype", "data"}
_BINARY = b"inference-header-content-length"


class Endpoints:
    """Answers a body's bytes with bytes; ``None`` leaves the request to kserve's endpoints.

    Every method raises :class:`RequestError` for what the schema does not allow, and
    ``ModelNotReady``.
    """

    def __init__(self, model: ReadmissionPredictor) -> None:
        self._model = model

    async def predict(self, body: bytes, headers: Headers) -> bytes:
        """Answer V1's ``:predict``."""
        served, began = self._model.served, time.perf_counter()
        if pieces := instance_pieces(body):
            with suppress(orjson.JSONDecodeError, RequestError):
                steps = served.scorer.pieces(parsed_pieces(pieces))
                return orjson.dumps(await served.predictions(steps, began))
            # Not as it should be: the whole body tells all that is wrong.
        steps = served.scorer.instances(parsed(body))
        return orjson.dumps(await served.predictions(steps, began))

    async def explain(self, body: bytes, headers: Headers) -> bytes:
        """Answer V1's ``:explain``."""
        served = self._model.served
        with served.metrics.explained():
            return orjson.dumps(await self._model.explain(parsed(body)))

    async def infer(self, body: bytes, headers: Headers) -> bytes | None:
        """Answer V2's ``infer`` when all of it is plain JSON."""
        served, began = self._model.served, time.perf_counter()
        sent: Any = None if _BINARY in headers else parsed(body)
        if not (tensors := _plain_tensors(sent)):
            return None
        scored = await served.scored(served.scorer.tensors(tensors), began)
        identifier = sent.get("id") or str(uuid.uuid4())
        return orjson.dumps(served.answers.tensors(scored, identifier))


def parsed(body: bytes) -> Any:
    """Return a body's JSON values.

    Raises:
        RequestError: it is no JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def _plain_tensors(sent: Any) -> list[PlainTensor]:
    """Return the input tensors of a request that asks for nothing but all outputs as JSON.

    None are returned of a request that asks for more, or is malformed.
    """
    plain = isinstance(sent, dict) and sent.keys() <= {"id", "inputs"}
    if not plain or not isinstance(sent.get("id", ""), str):
        return []
    inputs = sent.get("inputs")
    if not isinstance(inputs, list) or not all(map(_is_plain, inputs)):
        return []
    return [PlainTensor(**tensor) for tensor in inputs]


def _is_plain(tensor: Any) -> bool:
    whole = isinstance(tensor, dict) and tensor.keys() == _TENSOR_FIELDS
    return whole and isinstance(tensor["name"], str)
