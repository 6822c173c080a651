"""V2 over gRPC: serialised messages, most of them with faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builders import Row
from faulty import Faulty
from faulty_tensors import NAMES, packed
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from mutants import SECRET, Mutator
from serving_process import inputs

from components.registry import MODEL

_DATATYPES = (
    "INT64",
    "INT32",
    "FP64",
    "FP32",
    "FP16",
    "BOOL",
    "UINT64",
    "BYTES",
    "bytes",
    "",
    SECRET,
)
_SIZES = (0, 1, 2, 60, -1, 2**31, 2**63 - 1, -(2**63))
_TEXTS = ("", "\x00", SECRET * 20, "%" * 900, "🏥" * 500, "other")


@dataclass(frozen=True)
class Message:
    """A serialised request, and the risks of one without a fault."""

    content: bytes
    risks: tuple[float, ...] = ()


def faulty_message(faulty: Faulty) -> Message:
    """Draw a request for ``ModelInfer``."""
    rows, risks = faulty.drawn()
    by = faulty.by
    typed = by.chance(0.3)
    message = _typed(rows) if typed else _raw(rows)
    if by.chance(0.05):
        return Message(message.SerializeToString(), risks)
    for _ in range(by.draw.randint(1, 4)):
        by.draw.choice(_FAULTS)(by, message)
    content = message.SerializeToString()
    return Message(by.damaged(content) if by.chance(0.15) else content)


def _raw(rows: list[Row]) -> Any:
    message = pb.ModelInferRequest(model_name=MODEL, id=SECRET)
    for sent in inputs(rows):
        message.inputs.add(name=sent["name"], datatype=sent["datatype"], shape=sent["shape"])
        message.raw_input_contents.append(packed(sent["datatype"], sent["data"]))
    return message


def _typed(rows: list[Row]) -> Any:
    message = pb.ModelInferRequest(model_name=MODEL, id=SECRET)
    for sent in inputs(rows):
        tensor = message.inputs.add(
            name=sent["name"], datatype=sent["datatype"], shape=sent["shape"]
        )
        if sent["datatype"] == "INT64":
            tensor.contents.int64_contents.extend(sent["data"])
        else:
            tensor.contents.bytes_contents.extend(text.encode() for text in sent["data"])
    return message


def _tensor(by: Mutator, message: Any) -> None:
    """Replace a part of a tensor."""
    tensor = by.draw.choice(message.inputs)
    part = by.draw.choice(["name", "datatype", "shape"])
    if part == "shape":
        tensor.shape[:] = by.draw.choices(_SIZES, k=by.draw.randrange(4))
    else:
        setattr(
            tensor, part, by.draw.choice(_DATATYPES if part == "datatype" else (*NAMES, *_TEXTS))
        )


def _contents(by: Mutator, message: Any) -> None:
    """Damage a tensor's values."""
    if raw := message.raw_input_contents:
        place = by.draw.randrange(len(raw))
        raw[place] = by.damaged(raw[place])
        return
    contents = by.draw.choice(message.inputs).contents
    texts = (text.encode() for text in by.draw.choices(_TEXTS, k=2))
    contents.bytes_contents.extend(by.draw.choice([[by.noise(9)], [*texts]]))
    contents.int64_contents.extend(by.draw.choices(_SIZES, k=by.draw.randrange(3)))
    contents.bool_contents.extend([True] * by.draw.randrange(2))


def _several(by: Mutator, message: Any) -> None:
    """Make many fields bad at once: their details are longer than a status may be."""
    raw = message.raw_input_contents
    for place, (tensor, _) in enumerate(zip(message.inputs, raw, strict=False)):
        if tensor.datatype == "BYTES":
            raw[place] = packed("BYTES", [by.draw.choice(_TEXTS)])


def _number(by: Mutator, message: Any) -> None:
    """Drop, double or add tensors and contents."""
    parts = by.draw.choice([message.inputs, message.raw_input_contents])
    if parts and by.chance(0.6):
        del parts[by.draw.randrange(len(parts))]
    elif by.chance(0.5):
        message.raw_input_contents.append(by.noise(9))
    else:
        message.inputs.append(by.draw.choice(message.inputs))


def _about(by: Mutator, message: Any) -> None:
    """Replace what is said of the request."""
    setattr(message, by.draw.choice(["id", "model_name", "model_version"]), by.draw.choice(_TEXTS))
    message.parameters[by.draw.choice(_TEXTS)].string_param = SECRET
    message.outputs.add(name=by.draw.choice(_TEXTS))


_FAULTS: tuple[Callable[[Mutator, Any], None], ...] = (
    _tensor, _tensor, _contents, _contents, _several, _number, _about,
)  # fmt: skip
