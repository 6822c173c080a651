"""V2 over gRPC: kserve's service, with the readiness gate and the errors that it leaves out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from grpc import StatusCode, aio, unary_unary_rpc_method_handler
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server,
)
from kserve.protocol.grpc.servicer import InferenceServicer

from components.errors import InputError
from components.registry import MODEL
from serving.dataplane import ReadmissionDataPlane, SealedRepository
from serving.errors import error_json
from serving.logs import REQUEST_ID, request_id
from serving.messages import read_tensors
from serving.predictor import ReadmissionPredictor
from serving.refusals import refusal_json

_STATUSES = {
    HTTPStatus.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
    HTTPStatus.FORBIDDEN: StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: StatusCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.NOT_IMPLEMENTED: StatusCode.UNIMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
}
_MOST_BYTES = 6_000
"""Of an error as it is sent: a client refuses a status whose headers are above 8 KiB."""
_Answer = TypeVar("_Answer")


class ReadmissionServicer(InferenceServicer):
    """Answers kserve's gRPC service; every refusal has a status of gRPC's and our JSON error."""

    def __init__(
        self,
        dataplane: ReadmissionDataPlane,
        repository: SealedRepository,
        model: ReadmissionPredictor,
    ) -> None:
        super().__init__(dataplane, repository)
        self._model = model

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        """Score the encounters of a request's tensors."""
        return await _guarded(self._infer(request, context), context)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        """Tell whether the model is ready."""
        return await _guarded(super().ModelReady(request, context), context)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        """Describe the model's tensors, with the version that kserve leaves out."""
        answer = await _guarded(super().ModelMetadata(request, context), context)
        answer.versions.append(self._model.version)
        return answer

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        """Refuse."""
        return await _guarded(super().RepositoryModelLoad(request, context), context)

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        """Refuse."""
        return await _guarded(super().RepositoryModelUnload(request, context), context)

    async def _infer(self, request: Any, context: Any) -> Any:
        began = time.perf_counter()
        metadata = dict(context.invocation_metadata() or ())
        sent = str(metadata.get("x-request-id", "")).encode("utf-8", "replace")
        REQUEST_ID.set(request_id(sent or None))
        self._data_plane.get_model_from_registry(request.model_name)
        served = self._model.served
        steps = served.scorer.tensors([*read_tensors(request)])
        scored = await served.scored(steps, began)
        answer = pb.ModelInferResponse(
            id=request.id or str(uuid.uuid4()), model_name=MODEL, model_version=self._model.version
        )
        for name, value in served.answers.parameters(scored.unseen).items():
            field = "bool_param" if isinstance(value, bool) else "string_param"
            setattr(answer.parameters[name], field, value)
        for name, datatype, data in served.answers.outputs(scored):
            answer.outputs.add(name=name, datatype=datatype, shape=[data.size])
            answer.raw_output_contents.append(data.tobytes())
        return answer


class GrpcServer:
    """Listens for gRPC on one address."""

    def __init__(self, servicer: ReadmissionServicer, host: str, port: int, max_body: int) -> None:
        self._servicer, self._options = (
            servicer,
            [
                ("grpc.max_receive_message_length", max_body),
                ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
            ],
        )
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._server: Any = None

    async def start(self) -> None:
        """Listen.

        Raises:
            InputError: the address cannot be listened on.
        """
        self._server = aio.server(interceptors=[_Undecodable()], options=self._options)
        add_GRPCInferenceServiceServicer_to_server(self._servicer, self._server)
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError:
            raise InputError(
                f"cannot listen on {self._address}; choose another --grpc-port or --host"
            ) from None
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Take no new request, and give the running ones some seconds."""
        await self._server.stop(grace)


class _Undecodable(aio.ServerInterceptor):
    """Refuses bytes that are no message; gRPC would call them a fault of the server's."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Return a handler that reads such bytes as ``None``, and refuses them."""
        handler = await continuation(details)
        if handler is None:
            return handler

        def read(content: bytes) -> Any:
            with suppress(DecodeError):
                return handler.request_deserializer(content)

        async def answer(request: Any, context: Any) -> Any:
            if request is None:
                told = error_json("the bytes are no message of this method")
                await context.abort(StatusCode.INVALID_ARGUMENT, json.dumps(told))
            return await handler.unary_unary(request, context)

        return unary_unary_rpc_method_handler(answer, read, handler.response_serializer)


async def _guarded(answer: Awaitable[_Answer], context: Any) -> _Answer:
    """Await an answer; what it raises ends the call with a status and our JSON error."""
    try:
        return await answer
    except Exception as error:
        status, content = refusal_json(error)
        code = _STATUSES.get(HTTPStatus(status), StatusCode.INTERNAL)
        await context.abort(code, _told(content))
        raise


def _told(content: dict[str, Any]) -> str:
    """Return an error's JSON with as many of its details as every client takes."""
    kept, left = list[Any](), _MOST_BYTES - _length({**content, "details": []})
    for detail in content["details"]:
        left -= _length(detail)
        if left < 0:
            break
        kept.append(detail)
    return json.dumps({**content, "details": kept})


def _length(content: Any) -> int:
    """Return the bytes of some JSON in a list, as gRPC sends it: a percent sign takes three."""
    text = json.dumps(content)
    return len(text) + 2 * text.count("%") + len(", ")
