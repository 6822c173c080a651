"""The REST server: kserve's endpoints on a socket of ours, every error in one form."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from kserve.errors import ModelNotReady
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.dataplane import ReadmissionDataPlane, SealedRepository
from serving.errors import MAX_DETAILS, Detail, RequestError, error_json, shown
from serving.front import MAX_BODY, Front
from serving.openapi import describe
from serving.predictor import ReadmissionPredictor
from serving.refusals import STATUSES, refusal

_UPGRADE = re.compile(rb"\r\nUpgrade:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes, and how it ends.

    Attributes:
        max_body: most bytes of a request's body.
        drain_seconds: longest time that connections get to end by themselves after SIGTERM.
        log_requests: whether each request is logged.
    """

    max_body: int = MAX_BODY
    drain_seconds: float = 5.0
    log_requests: bool = False


class RestServer(RESTServer):
    """Serves on a listening socket.

    kserve's own server binds every interface, logs each request twice and answers errors in four
    forms; its endpoints and metrics are used as they are.
    """

    def __init__(
        self,
        dataplane: ReadmissionDataPlane,
        repository: SealedRepository,
        model: ReadmissionPredictor,
        listener: socket.socket,
        limits: Limits,
    ) -> None:
        self._endpoints: FastAPI = FastAPIOffline(
            title="readmission", redoc_url=None, redirect_slashes=False
        )
        self.app = Front(self._endpoints, model, limits.max_body, limits.log_requests)
        super().__init__(self.app, dataplane, repository, listener.getsockname()[1])
        self.config.http = _PlainHttp
        self._server = _DrainingServer(self.config, model, limits.drain_seconds)
        self._model, self._listener = model, listener

    def create_application(self) -> None:
        """Add the endpoints and error handlers to :attr:`app`."""
        # First, because the first of two routes with one path answers.
        self._endpoints.add_api_route("/v1/models/{model_name}", self.status, methods=["GET"])
        self._register_endpoints(self._endpoints)
        self._add_exception_handlers(self._endpoints)
        describe(self._endpoints, self._model)

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
        app.add_exception_handler(HTTPException, _refuse)
        for kind in STATUSES:
            app.add_exception_handler(kind, _refuse)
        app.add_exception_handler(Exception, _refuse)


class _PlainHttp(HttpToolsProtocol):
    """HTTP/1.1 that never turns into another protocol.

    Java's client asks for HTTP/2 with its first request (``Upgrade: h2c``). A server may ignore
    that; uvicorn's parser then takes the request's body for the other protocol's and loses it.
    """

    def data_received(self, data: bytes) -> None:
        """Hide the header where a request begins; the name instead is as long."""
        cycle = self.cycle
        begins = cycle is None or cycle.response_complete or not cycle.more_body
        if begins and _UPGRADE.search(data):
            head, end, rest = data.partition(b"\r\n\r\n")
            data = _UPGRADE.sub(b"\r\nIgnored:", head) + end + rest
        super().data_received(data)


class _DrainingServer(uvicorn.Server):
    """Ends in order: first not ready, then without connections, then not at all.

    A client with a kept connection may send a request just when an idle connection is closed, and
    lose it. So from the signal on every answer closes its connection, and the socket is closed
    when no connection is left, or after ``seconds``.
    """

    def __init__(self, config: uvicorn.Config, model: ReadmissionPredictor, seconds: float) -> None:
        super().__init__(config)
        self._model, self._seconds, self._deadline = model, seconds, 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the server at once."""
        if self._model.draining:
            super().handle_exit(sig, frame)
        self._model.draining = True
        self._deadline = time.monotonic() + self._seconds

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end: uvicorn asks ten times a second."""
        left = self.server_state.connections and time.monotonic() < self._deadline
        if self._model.draining and not left:
            self.should_exit = True
        return await super().on_tick(counter)


def _answer(status: int, body: dict[str, Any]) -> Response:
    # Escaped to ASCII, because a sent text may hold a lone surrogate that UTF-8 cannot carry.
    return Response(json.dumps(body), status, media_type="application/json")


async def _refuse(_: Request, error: Exception) -> Response:
    status, content = refusal(error)
    return Response(content, status, media_type="application/json")


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


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("body", "InferenceRequest"))
