"""The OpenAPI document of ``/docs``: what is asked and answered, with examples that are answered.

It is written here and not derived: kserve's endpoints say nothing of one model's columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from kserve.errors import ModelNotReady

from components.registry import MODEL
from components.registry.bundle import Bundle
from serving import openapi_schemas as schemas
from serving.errors import Detail, error_json
from serving.openapi_schemas import Json, reference
from serving.predictor import ReadmissionPredictor
from serving.scoring import at_once

_V1, _V2 = f"/v1/models/{MODEL}", f"/v2/models/{MODEL}"
_JSON = "application/json"
_ID = "ward-7"
_TAGS = {
    "Encounters": "Raw encounters in, risks out.",
    "Model": "What is served, and whether it is ready.",
    "Server": "The process; its readiness is the model's.",
}
_WHY = "not allowed in this column"
_BAD = Detail(0, "time_in_hospital", 99, _WHY, "an integer from 1 to 14")
_BAD_SUMMARY = f'1 invalid field in 1 of 1 rows; first: "time_in_hospital": {_WHY}'
_REFUSALS = {
    "400": ("Every bad field of every bad row, at once", error_json(_BAD_SUMMARY, [_BAD])),
    "413": (
        "More rows or bytes than allowed",
        error_json("the request holds 10001 rows, at most 10000 are allowed; split it"),
    ),
    "503": ("The model is not ready", error_json(str(ModelNotReady(MODEL)))),
}
_EXPLAINED = {
    "probability": 0.44,
    "margin": -0.24,
    "base_value": -0.55,
    "contributions": [{"columns": ["number_inpatient"], "values": [2], "contribution": 0.31}],
}
_HEADERS = {
    "X-Request-Id": {
        "description": "the request's header of that name, or a new one; log lines carry it",
        "schema": {"type": "string"},
    },
    "X-Model-Version": {"description": "of what answered", "schema": {"type": "string"}},
}


def describe(app: FastAPI, model: ReadmissionPredictor) -> None:
    """Make an application's document say what the model takes and gives."""
    app.openapi = lambda: document(model)  # type: ignore[method-assign]  # FastAPI's way


def document(model: ReadmissionPredictor) -> Json:
    """Return the OpenAPI document of the model that is served.

    Raises:
        ModelNotReady: none is.
    """
    bundle = model.bundle
    return {
        "openapi": "3.1.0",
        "info": {
            "title": MODEL,
            "version": model.version,
            "description": f"Will a diabetic inpatient be readmitted? Bundle `{bundle.digest}`.",
        },
        "tags": [{"name": name, "description": what} for name, what in _TAGS.items()],
        "paths": {**_encounters(model), **_asked()},
        "components": {"schemas": _schemas(bundle)},
    }


def _schemas(bundle: Bundle) -> Json:
    schema = bundle.schema
    return {
        "Encounter": schemas.encounter(schema),
        "Tensor": schemas.tensor(schema),
        "Prediction": schemas.prediction(schema),
        "Explanation": schemas.explanation(schema),
        "Predictions": schemas.answer("predictions", "Prediction"),
        "Explanations": schemas.answer("explanations", "Explanation"),
        "Inference": schemas.inference(),
        "Error": schemas.error(),
    }


def _encounters(model: ReadmissionPredictor) -> Json:
    """Return the operations on encounters; ``explain`` only where the bundle explains."""
    row, served = _example(model.bundle), model.served
    scored = served.scorer.score(at_once(served.scorer.instances({"instances": [row]})))
    predictions = _ok("Predictions", served.answers.predictions(scored))
    inference = _ok("Inference", served.answers.tensors(scored, _ID))
    predict = _post("predict", "The risk of each encounter", _instances(row), predictions)
    explain = _post(
        "explain",
        "What moves the risk of each encounter",
        _instances(row, maxItems=served.explainer.most),
        _ok("Explanations", served.answers.told("explanations", [_EXPLAINED], {})),
    )
    infer = _post("infer", "The same, column by column", _inputs(model.bundle, row), inference)
    explains = model.bundle.explainer is not None
    return {
        f"{_V1}:predict": {"post": predict},
        **({f"{_V1}:explain": {"post": explain}} if explains else {}),
        f"{_V2}/infer": {"post": infer},
    }


def _asked() -> Json:
    """Return the operations that ask what is served and whether it is ready."""
    said = {
        _V1: ("Model", "Version and digest of what is served", schemas.status()),
        _V2: ("Model", "Version and tensors of what is served", schemas.metadata()),
        f"{_V2}/ready": ("Model", "The readiness probe", schemas.ready()),
        "/v1/models": ("Server", "The models' names", schemas.models()),
        "/v2/models": ("Server", "The models' names", schemas.models()),
        "/v2": ("Server", "Name and version of the server", schemas.server()),
        "/v2/health/ready": ("Server", "Whether every model is ready", schemas.flag("ready")),
        "/v2/health/live": ("Server", "The liveness probe", schemas.flag("live")),
    }
    asked = {path: {"get": _get(*what)} for path, what in said.items()}
    metrics = _get("Server", "Prometheus' metrics", {"type": "string"}, "text/plain")
    return {**asked, "/metrics": {"get": metrics}}


def _post(name: str, summary: str, body: Json, ok: Json) -> Json:
    """Return an operation on encounters; ``body`` is a schema with an example."""
    return {
        "tags": ["Encounters"],
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {_JSON: body}},
        "responses": {"200": ok, **{status: _refusal(status) for status in _REFUSALS}},
    }


def _get(tag: str, summary: str, schema: Json, kind: str = _JSON) -> Json:
    """Return an operation that takes nothing."""
    ok = {"description": "OK", "headers": _HEADERS, "content": {kind: {"schema": schema}}}
    return {
        "tags": [tag],
        "summary": summary,
        "responses": {"200": ok, "503": _refusal("503")},
    }


def _ok(name: str, example: Json) -> Json:
    """Return an answer of a named schema."""
    content = {"schema": reference(name), "example": example}
    return {"description": "OK", "headers": _HEADERS, "content": {_JSON: content}}


def _refusal(status: str) -> Json:
    why, example = _REFUSALS[status]
    content = {_JSON: {"schema": reference("Error"), "example": example}}
    return {"description": why, "content": content}


def _example(bundle: Bundle) -> Json:
    """Return a golden row, its columns in the file's order."""
    row = bundle.golden.rows[0]
    return {name: row[name] for name in bundle.schema.names if name in row}


def _instances(row: Mapping[str, Any], **more: int) -> Json:
    """Return V1's body with its example."""
    rows = {"type": "array", "minItems": 1, **more, "items": reference("Encounter")}
    schema = {"type": "object", "required": ["instances"], "properties": {"instances": rows}}
    return {"schema": schema, "example": {"instances": [row]}}


def _inputs(bundle: Bundle, row: Mapping[str, Any]) -> Json:
    """Return V2's body with its example."""
    tensors = {"type": "array", "minItems": 1, "items": reference("Tensor")}
    properties = {"id": {"type": "string"}, "inputs": tensors}
    schema = {"type": "object", "required": ["inputs"], "properties": properties}
    sent = [
        {
            "name": name,
            "shape": [1],
            "datatype": "INT64" if bundle.schema[name].is_integer else "BYTES",
            "data": [value],
        }
        for name, value in row.items()
    ]
    return {"schema": schema, "example": {"id": _ID, "inputs": sent}}
