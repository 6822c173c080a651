"""V2's input tensors: their bytes, and faults of a tensor."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from mutants import Mutator

from components.schema import encounter_schema

NAMES = encounter_schema().names
_TENSOR = ("name", "shape", "datatype", "data", "parameters")


def binary_tensors(tensors: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bytes]:
    """Return V2's tensors without data, and their data as bytes."""
    raw = [packed(tensor["datatype"], tensor["data"]) for tensor in tensors]
    bare = [
        {
            **{k: v for k, v in tensor.items() if k != "data"},
            "parameters": {"binary_data_size": len(data)},
        }
        for tensor, data in zip(tensors, raw, strict=True)
    ]
    return bare, b"".join(raw)


def packed(datatype: str, data: list[Any]) -> bytes:
    """Return values as V2 sends them in bytes."""
    if datatype == "INT64":
        return struct.pack(f"<{len(data)}q", *data)
    texts = (text.encode() for text in data)
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _tensor_fields(by: Mutator, tensors: list[Any], place: int) -> None:
    tensors[place] = by.fields(tensors[place], _TENSOR, 2)


def _tensor_cell(by: Mutator, tensors: list[Any], place: int) -> None:
    if data := tensors[place].get("data"):
        data[by.draw.randrange(len(data))] = by.odd()


def _tensor_nested(by: Mutator, tensors: list[Any], place: int) -> None:
    sent = tensors[place]
    sent["shape"] = [*sent["shape"], by.draw.choice([1, 1, 2, 0, -1, 10**30])]
    if by.chance(0.7) and "data" in sent:
        sent["data"] = [[cell] for cell in sent["data"]]


def _tensor_shape(by: Mutator, tensors: list[Any], place: int) -> None:
    shapes: tuple[object, ...] = (
        [],
        [0],
        [-1],
        [2**63],
        [10**30],
        [1.0],
        [True],
        ["1"],
        [None],
        [[1]],
        [1] * 70,
        "1",
        1,
    )
    tensors[place]["shape"] = by.draw.choice(shapes)


def _tensor_datatype(by: Mutator, tensors: list[Any], place: int) -> None:
    kinds = ("INT64", "INT32", "FP64", "FP32", "FP16", "BYTES", "BOOL", "UINT8", "int64", "", None)
    tensors[place]["datatype"] = by.draw.choice(kinds)


def _tensor_size(by: Mutator, tensors: list[Any], place: int) -> None:
    sizes: tuple[object, ...] = (None, 0, -1, 7, 8.0, "8", 2**63, 10**30, [], True)
    tensors[place]["parameters"] = {"binary_data_size": by.draw.choice(sizes)}


def _tensor_twice(by: Mutator, tensors: list[Any], place: int) -> None:
    tensors.append({**tensors[place], "name": by.draw.choice([tensors[place]["name"], *NAMES])})


def _tensor_odd(by: Mutator, tensors: list[Any], place: int) -> None:
    tensors[place] = by.odd()


TENSOR_FAULTS: tuple[Callable[[Mutator, list[Any], int], None], ...] = (
    _tensor_fields, _tensor_cell, _tensor_cell, _tensor_nested, _tensor_shape, _tensor_datatype,
    _tensor_size, _tensor_twice, _tensor_odd,
)  # fmt: skip
