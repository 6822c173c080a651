"""kserve's data plane and repository, with the gaps closed that matter for one sealed model."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson
from kserve import InferRequest
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER, PredictorProtocol
from kserve.errors import InferenceError, InvalidInput
from kserve.model import BaseKServeModel
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from starlette.exceptions import HTTPException

from serving.errors import RequestError

PLATFORM = "onnxruntime"
_MALFORMED = (
    AttributeError,
    IndexError,
    InferenceError,
    InvalidInput,
    KeyError,
    TypeError,
    ValueError,
    struct.error,
)
"""What kserve's decoder of binary tensors raises on bytes that are no such request."""


class ReadmissionDataPlane(DataPlane):
    """Decodes JSON whatever its content type says, and tells the version that is served.

    CloudEvents are not read: a body is the protocol's own JSON.
    """

    def decode(
        self,
        body: Any,
        headers: Mapping[str, str],
        protocol_version: str = PredictorProtocol.REST_V1.value,
        model_name: str | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Return a V1 body as JSON values, a V2 body as ``InferRequest``.

        Raises:
            RequestError: the bytes are neither.
        """
        if protocol_version != PredictorProtocol.REST_V2.value:
            return _json(body), {}
        if isinstance(body, bytes):
            return _request(body, headers, model_name), {}
        request: InferRequest = super().decode_inference_request(body, headers, model_name)
        return request, {}

    def encode(
        self,
        model_name: str,
        response: Any,
        headers: Mapping[str, str],
        req_attributes: dict[str, Any],
    ) -> tuple[Any, dict[str, str]]:
        """Return the answer and its headers; never as a CloudEvent, as none is read.

        A V1 answer is returned as bytes: kserve would use a response class that is deprecated.
        """
        if isinstance(response, dict):
            return orjson.dumps(response), {"content-type": "application/json"}
        encoded: tuple[Any, dict[str, str]] = super().encode(model_name, response, {}, {})
        return encoded

    def metadata(self) -> dict[str, Any]:
        """Return the server's metadata: it offers no protocol extension."""
        return {**super().metadata(), "extensions": []}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Return the model's tensors with the version and platform that kserve leaves out."""
        metadata = await super().model_metadata(model_name)
        version = self.get_model_from_registry(model_name).version
        return {**metadata, "versions": [version], "platform": PLATFORM}

    async def get_model(self, name: str) -> BaseKServeModel:
        """Return a model as it is; kserve would load one that is not ready."""
        return self.get_model_from_registry(name)

    async def model_ready(
        self, model_name: str, disable_predictor_health_check: bool = False
    ) -> bool:
        """Return whether a model is ready, or for a request whether it answers.

        kserve asks with ``disable_predictor_health_check`` before a request; a model that drains
        is not ready and still answers.
        """
        model = self.get_model_from_registry(model_name)
        return bool(model.answers if disable_predictor_health_check else model.ready)

    async def ready(self) -> bool:
        """Return whether every model is ready; kserve says yes before any is."""
        return all(model.ready for model in self.model_registry.get_models().values())


class SealedRepository(ModelRepositoryExtension):
    """Refuses to load or unload over HTTP: nobody is authenticated there."""

    async def load(self, model_name: str) -> NoReturn:
        """Refuse.

        Raises:
            HTTPException: 403.
        """
        raise HTTPException(403, "models are loaded by a rollout, not over this interface")

    async def unload(self, model_name: str) -> NoReturn:
        """Refuse.

        Raises:
            HTTPException: 403.
        """
        raise HTTPException(403, "models are removed by a rollout, not over this interface")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def _request(body: bytes, headers: Mapping[str, str], model_name: str | None) -> InferRequest:
    """Read a V2 body whose content type is not JSON: JSON alone or with binary tensors behind."""
    try:
        length = int(headers.get(INFERENCE_CONTENT_LENGTH_HEADER, len(body)))
        request = InferRequest.from_bytes(body, length, model_name)
    except _MALFORMED:
        raise RequestError("the body is no V2 inference request") from None
    if not _is_sound(request):
        raise RequestError(
            "the body is no V2 inference request: a name or the id is no text, or the parameters "
            "are no object"
        )
    return request


def _is_sound(request: InferRequest) -> bool:
    """Check what kserve reads as it comes, and fails on when it answers."""
    tensors = (*request.inputs, *(request.request_outputs or ()))
    named = all(isinstance(tensor.name, str) for tensor in tensors)
    parameters = request.parameters or {}
    return named and isinstance(request.id or "", str) and isinstance(parameters, dict)
