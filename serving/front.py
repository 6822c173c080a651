"""The short way of a request: past kserve's endpoints where they cost more than the model.

An ASGI application around kserve's. It reads every body within the limit, answers ``:predict``,
``:explain`` and ``infer`` itself, and hands the rest to kserve's application: whatever it leaves,
such as a V2 request with binary tensors, reaches the same model.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from components.registry import MODEL
from serving.endpoints import Endpoints, Headers
from serving.errors import RequestError
from serving.logs import REQUEST_ID, logger, request_id
from serving.metrics import ERRORS
from serving.predictor import ReadmissionPredictor
from serving.refusals import refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 32 * 2**20
"""Most bytes of a body unless the server is told otherwise."""

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


class Front:
    """Answers what is asked often; hands the rest to kserve's application."""

    def __init__(
        self,
        app: App,
        model: ReadmissionPredictor,
        max_body: int = MAX_BODY,
        log_requests: bool = False,
    ) -> None:
        endpoints = Endpoints(model)
        self._app, self._model = app, model
        self._max_body, self._log_requests = max_body, log_requests
        self._version = (b"x-model-version", model.version.encode("latin-1", "replace"))
        self._answers = {
            f"/v1/models/{MODEL}:predict": endpoints.predict,
            f"/v1/models/{MODEL}:explain": endpoints.explain,
            f"/v2/models/{MODEL}/infer": endpoints.infer,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or kserve's own kinds of events."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, began = dict(scope["headers"]), time.perf_counter()
        identifier = request_id(headers.get(b"x-request-id"))
        REQUEST_ID.set(identifier)
        sender = _Sender(send, self._own_headers(identifier))
        try:
            await self._serve(scope, headers, receive, sender)
        except ClientGone:
            return
        if self._log_requests:
            self._log(scope, sender.status, time.perf_counter() - began)

    async def _serve(self, scope: Scope, headers: Headers, receive: Receive, send: _Sender) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(headers, receive)
            answer = self._answers.get(scope["path"])
            content = None if answer is None else await answer(body, headers)
        except ClientGone:
            raise
        except Exception as error:
            await send.json(*refusal(error))
            return
        if content is None:
            await self._app(scope, _replayed(body, receive), send)
        else:
            await send.json(HTTPStatus.OK, content)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Return the whole body.

        Raises:
            RequestError: 413, it is longer than allowed; what is left of it is not read.
            ClientGone: it never becomes whole.
        """
        if int(headers.get(b"content-length", b"0")) > self._max_body:
            raise self._too_long()
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > self._max_body:
                raise self._too_long()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_long(self) -> RequestError:
        return RequestError(
            f"the body is longer than {self._max_body} bytes; split it",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )

    def _own_headers(self, identifier: str) -> list[tuple[bytes, bytes]]:
        own = [(b"x-request-id", identifier.encode("ascii")), self._version]
        # A client whose connection ends with its answer sends its next request to another server.
        return [*own, _CLOSE] if self._model.draining else own

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        # Only a path that we answer is ours; another may hold anything.
        known = scope["path"] if scope["path"] in self._answers else "other"
        fields = {"method": scope["method"], "path": known, "status": status}
        fields["milliseconds"] = round(seconds * 1000, 3)
        logger.info("request", extra={"fields": fields})


class _Sender:
    """Sends an answer with our headers; callable as ASGI's ``send``."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers, self.status = send, headers, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                ERRORS.labels(str(self.status)).inc()
            message["headers"] = [*message.get("headers", ()), *self._headers]
        await self._send(message)

    async def json(self, status: int, content: bytes) -> None:
        """Send a whole answer."""
        length = (b"content-length", b"%d" % len(content))
        await self({"type": "http.response.start", "status": status, "headers": [_JSON, length]})
        await self({"type": "http.response.body", "body": content})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives a body that was read already."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
