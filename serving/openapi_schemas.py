"""JSON schemas of what the REST interface takes and gives, for its OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

from components.registry import MODEL
from components.schema import MISSING, Column, Kind, Schema
from components.schema.columns import ICD9
from serving.answers import OUTPUTS
from serving.rows import may_lack

Json = dict[str, Any]

_DATATYPES = ("INT64", "INT32", "FP64", "FP32", "BYTES")
_BUNDLE = {"type": "string", "pattern": "^[0-9a-f]{12}$", "description": "its sha256 begins so"}
_NAME = {"type": "string", "const": MODEL}
_TRUE = {"type": "boolean", "const": True}
_MODEL = {"model_name": _NAME, "model_version": {"type": "string"}}
_SYNTHETIC = {
    "synthetic": {**_TRUE, "description": "only there when it learnt from synthetic data"}
}


def encounter(schema: Schema) -> Json:
    """Return the schema of one encounter of a V1 body."""
    columns = [column for column in schema if column.kind is not Kind.LABEL]
    return _object(
        {column.name: _values(column) for column in columns if not _may_be_absent(column)},
        {column.name: _values(column) for column in columns if _may_be_absent(column)},
        additionalProperties=False,
        description="A raw encounter. Null or absent means missing where null is allowed; a hyphen "
        "in a name may be written as an underscore.",
    )


def tensor(schema: Schema) -> Json:
    """Return the schema of an input tensor of a V2 body."""
    names = [column.name for column in schema if column.kind is not Kind.LABEL]
    size = {"type": "integer", "minimum": 1}
    return _object(
        {
            "name": {"type": "string", "enum": names},
            "shape": _array(size, minItems=1, maxItems=2, description="[n] or [n, 1]"),
            "datatype": {"type": "string", "enum": list(_DATATYPES)},
            "data": _array({}, description="n values, as an encounter may hold them"),
        },
        description="The values of one raw column: a number's datatype in a column of integers, "
        "BYTES in a column of texts.",
    )


def prediction(schema: Schema) -> Json:
    """Return the schema of what is said of one encounter."""
    identifiers = [column for column in schema if column.kind is Kind.IDENTIFIER]
    return _object(
        {
            "probability": _risk(),
            "readmitted": {
                "type": "boolean",
                "description": "whether the probability reaches the threshold",
            },
        },
        {column.name: _integers(column) for column in identifiers},
        description="Identifiers come back where they were sent.",
    )


def explanation(schema: Schema) -> Json:
    """Return the schema of what moves the risk of one encounter."""
    names = [column.name for column in schema.features]
    contribution = _object(
        {
            "columns": _array({"type": "string", "enum": names}),
            "values": _array({"type": ["integer", "string"]}),
            "contribution": {"type": "number"},
        }
    )
    margin = "log-odds; of a forest the probability before calibration"
    return _object(
        {
            "probability": _risk(),
            "margin": {"type": "number", "description": margin},
            "base_value": {"type": "number"},
            "contributions": _array(
                contribution, description="the largest first; with base_value they sum to margin"
            ),
        }
    )


def answer(field: str, item: str) -> Json:
    """Return the schema of a V1 answer, whose ``field`` lists ``item`` for each encounter."""
    unseen = _array({"type": "string"})
    warnings = {
        "type": "object",
        "additionalProperties": unseen,
        "description": "by column, the values that training never saw; only there when some are",
    }
    return _object(
        {field: _array(reference(item)), **_MODEL, "bundle": _BUNDLE},
        {**_SYNTHETIC, "warnings": warnings},
    )


def inference() -> Json:
    """Return the schema of a V2 answer."""
    output = _object(
        {
            "name": {"type": "string", "enum": [*OUTPUTS, "encounter_id", "patient_nbr"]},
            "shape": _array({"type": "integer"}, minItems=1, maxItems=1),
            "datatype": {"type": "string", "enum": [*OUTPUTS.values(), "INT64"]},
            "data": _array({"type": ["number", "boolean"]}),
        }
    )
    warnings = {"type": "string", "description": "V1's warnings, as a text of JSON"}
    parameters = _object({"bundle": _BUNDLE}, {**_SYNTHETIC, "warnings": warnings})
    identifier = {"type": "string", "description": "the request's, or a new one"}
    return _object(
        {"id": identifier, **_MODEL, "parameters": parameters, "outputs": _array(output)}
    )


def status() -> Json:
    """Return the schema of V1's ready reply."""
    digest = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "sha256 of the bundle"}
    version = {"type": "string", "description": "the registry's"}
    return _object({"name": _NAME, "ready": _TRUE, "model_version": version, "bundle": digest})


def ready() -> Json:
    """Return the schema of V2's ready reply."""
    return _object({"name": _NAME, "ready": _TRUE})


def metadata() -> Json:
    """Return the schema of the model's description."""
    text = {"type": "string"}
    shape = _array({"type": "integer"}, description="-1: any number of encounters")
    tensors = _array(_object({"name": text, "datatype": text, "shape": shape}))
    return _object(
        {
            "name": _NAME,
            "versions": _array(text),
            "platform": text,
            "inputs": tensors,
            "outputs": tensors,
        }
    )


def models() -> Json:
    """Return the schema of the list of models."""
    return _object({"models": _array(_NAME)})


def server() -> Json:
    """Return the schema of the server's description."""
    text = {"type": "string"}
    return _object({"name": text, "version": text, "extensions": _array(text)})


def flag(name: str) -> Json:
    """Return the schema of a reply that says yes; the other one is a 503."""
    return _object({name: _TRUE})


def error() -> Json:
    """Return the schema of every error."""
    detail = _object(
        {
            "row": {"type": ["integer", "null"], "description": "null: the whole body or tensor"},
            "field": {"type": "string"},
            "value": {"description": "what was sent, shortened"},
            "why": {"type": "string"},
            "allowed": {"type": ["string", "null"]},
        }
    )
    return _object(
        {
            "error": {"type": "string", "description": "one line"},
            "details": _array(detail, description="every bad field of every row, at most 100"),
        }
    )


def reference(name: str) -> Json:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Json, optional: Json | None = None, **more: Any) -> Json:
    """Return the schema of an object with some properties that must be there and some that may."""
    properties = {**required, **(optional or {})}
    return {"type": "object", **more, "required": [*required], "properties": properties}


def _array(items: Json, **more: Any) -> Json:
    return {"type": "array", **more, "items": items}


def _risk() -> Json:
    return {"type": "number", "minimum": 0, "maximum": 1}


def _may_be_absent(column: Column) -> bool:
    return column.kind is Kind.IDENTIFIER or may_lack(column)


def _values(column: Column) -> Json:
    """Return the schema of a column's values; one that may be absent may be null as well."""
    values = _integers(column) if column.is_integer else _texts(column)
    if _may_be_absent(column):
        values["type"] = [values["type"], "null"]
        if "enum" in values:
            values["enum"] = [*values["enum"], None]
    return values if column.default is None else {**values, "default": column.default}


def _integers(column: Column) -> Json:
    if column.kind is Kind.CODE:
        return {"type": "integer", "enum": list(column.values)}
    return {"type": "integer", "minimum": column.minimum, "maximum": column.maximum}


def _texts(column: Column) -> Json:
    missing = [MISSING] if column.missing else []
    if column.kind is Kind.ICD9:
        patterns = [ICD9.pattern, *map(re.escape, missing)]
        return {"type": "string", "pattern": f"^(?:{'|'.join(patterns)})$"}
    if column.open:
        return {"type": "string", "minLength": 1, "maxLength": 80}
    return {"type": "string", "enum": [*column.values, *missing]}
