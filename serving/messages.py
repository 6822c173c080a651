"""The input tensors of a gRPC message, raw or typed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from kserve.protocol.infer_type import get_content

from serving.errors import RequestError
from serving.tensors import PlainTensor

_NUMBERS = {"INT64": "<i8", "INT32": "<i4", "FP64": "<f8", "FP32": "<f4"}


def read_tensors(request: Any) -> Iterator[PlainTensor]:
    """Yield the tensors of a message, whether raw bytes or typed contents hold their values.

    Raises:
        RequestError: the values are not of the datatype that is said.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(
            f"{len(raw)} raw contents for {len(request.inputs)} inputs; send one for each"
        )
    for number, tensor in enumerate(request.inputs):
        try:
            if raw:
                data = _decoded(tensor.datatype, raw[number])
            else:
                data = _texts(get_content(tensor.datatype, tensor.contents))
        except (ValueError, struct.error):
            raise RequestError(
                f"the input {tensor.name[:80]!r} holds no {tensor.datatype[:80]} values"
            ) from None
        yield PlainTensor(tensor.name, tensor.datatype, list(tensor.shape), data)


def _decoded(datatype: str, raw: bytes) -> list[Any]:
    """Return the values of raw bytes; a text has its length in four bytes before it."""
    if datatype in _NUMBERS:
        numbers: list[Any] = np.frombuffer(raw, _NUMBERS[datatype]).tolist()
        return numbers
    if datatype != "BYTES":
        raise ValueError
    texts, at = list[Any](), 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        if at + 4 + length > len(raw):
            raise ValueError
        texts.append(str(raw[at + 4 : at + 4 + length], "utf-8"))
        at += 4 + length
    return texts


def _texts(values: list[Any]) -> list[Any]:
    return [str(value, "utf-8") if isinstance(value, bytes) else value for value in values]
