"""The REST server: kserve's endpoints on a socket of ours, every error in one form."""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from serving.dataplane import ReadmissionDataPlane, SealedRepository
from serving.errors import MAX_DETAILS, Detail, RequestError, error_json, shown

_STATUSES: dict[type[Exception], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    ModelNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    NotImplementedError: HTTPStatus.NOT_IMPLEMENTED,
    ServerNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
}


class RestServer(RESTServer):
    """Serves on a listening socket.

    kserve's own server binds every interface, logs each request twice and answers errors in four
    forms; its endpoints and metrics are used as they are.
    """

    def __init__(
        self,
        dataplane: ReadmissionDataPlane,
        repository: SealedRepository,
        listener: socket.socket,
    ) -> None:
        self.app = FastAPI(title="readmission", docs_url=None, redoc_url=None)
        super().__init__(self.app, dataplane, repository, listener.getsockname()[1])
        self._listener = listener

    def create_application(self) -> None:
        """Add the endpoints and error handlers to :attr:`app`."""
        # First, because the first of two routes with one path answers.
        self.app.add_api_route("/v1/models/{model_name}", self.status, methods=["GET"])
        self._register_endpoints(self.app)
        self._add_exception_handlers(self.app)

    async def start(self) -> None:
        """Serve until a signal ends it."""
        self.create_application()
        await self._server.serve(sockets=[self._listener])

    async def status(self, model_name: str) -> dict[str, Any]:
        """Return V1's ready reply with the version and the whole digest of what is served."""
        if not await self.dataplane.model_ready(model_name):
            raise ModelNotReady(model_name)
        model = self.dataplane.get_model_from_registry(model_name)
        return {
            "name": model_name,
            "ready": True,
            "model_version": model.version,
            "bundle": model.bundle.digest,
        }

    def _add_exception_handlers(self, app: FastAPI) -> None:
        app.add_exception_handler(RequestError, _refuse)
        app.add_exception_handler(RequestValidationError, _refuse_malformed)
        app.add_exception_handler(HTTPException, _refuse_http)
        for kind in _STATUSES:
            app.add_exception_handler(kind, _refuse_kserve)
        app.add_exception_handler(Exception, _fail)


def _answer(status: int, body: dict[str, Any]) -> Response:
    # Escaped to ASCII, because a sent text may hold a lone surrogate that UTF-8 cannot carry.
    return Response(json.dumps(body), status, media_type="application/json")


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _answer(error.status, error.to_json())


async def _refuse_malformed(_: Request, error: Exception) -> Response:
    """Answer pydantic's refusal of a V2 body, whose union with bytes doubles each message."""
    assert isinstance(error, RequestValidationError)
    faults = [fault for fault in error.errors() if fault["loc"][-1] != "bytes"]
    if any(fault["type"] == "json_invalid" for fault in faults):
        return _answer(400, error_json("the body is not JSON"))
    details = [
        Detail(None, _path(fault["loc"]), shown(fault.get("input")), fault["msg"])
        for fault in faults[:MAX_DETAILS]
    ]
    return _answer(400, error_json("the body is no V2 inference request", details))


async def _refuse_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, error_json(str(error.detail)))


async def _refuse_kserve(_: Request, error: Exception) -> Response:
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    return _answer(status, error_json(str(error)))


async def _fail(_: Request, error: Exception) -> Response:
    """Answer a fault of ours without its message, which may hold a patient's value."""
    return _answer(500, error_json(f"internal error ({type(error).__name__}); see the log"))


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("body", "InferenceRequest"))
