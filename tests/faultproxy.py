"""An HTTP proxy on loopback in front of a real server, which fails as servers and networks do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOST = "127.0.0.1"
UPSTREAM_SECONDS = 60
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


class Fault(StrEnum):
    """What the proxy does to a request."""

    REFUSE = "nobody listens any more"
    HANG = "the request is taken, and never answered"
    LOSE = "the request is done, and its answer lost"
    FULL = "the request is answered with 507, as a full store does"
    FLIP = "one byte of the answer's body is another"


@dataclass
class _Injected:
    fault: Fault
    method: str
    path: str
    times: int
    healed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hits(self, method: str, path: str) -> bool:
        with self.lock:
            hit = self.times > 0 and self.method in ("", method) and self.path in path
            self.times -= hit
            return hit


class FaultProxy:
    """Passes every request on to ``upstream`` until it is told to fail.

    Attributes:
        url: the base URL to use instead of the server's.
        seen: every request so far, as ``"PUT /bucket/key"``.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.seen: list[str] = []
        self._injected: _Injected | None = None
        self._server = self._listen(0)
        self.url = f"http://{HOST}:{self._server.server_port}"

    @contextmanager
    def failing(
        self, fault: Fault, *, method: str = "", path: str = "", times: int = 1_000_000
    ) -> Iterator[None]:
        """Fail so within the block.

        Args:
            fault: how; ``REFUSE`` is for all requests, at once.
            method: only requests of this method; empty for all.
            path: only requests whose path and query hold this text.
            times: so many requests; the following ones pass.
        """
        self._injected = injected = _Injected(fault, method, path, times)
        if fault is Fault.REFUSE:
            self._close()
        try:
            yield
        finally:
            self._injected = None
            injected.healed.set()
            if fault is Fault.REFUSE:
                self._server = self._listen(self._server.server_port)

    def close(self) -> None:
        """Stop for good."""
        self._close()

    def answer(self, handler: _Handler) -> None:
        """Answer one request, or fail as told."""
        self.seen.append(f"{handler.command} {handler.path}")
        injected, body = self._injected, handler.body()
        if injected is None or not injected.hits(handler.command, handler.path):
            handler.send(*self._forward(handler, body))
            return
        if injected.fault is Fault.FULL:
            handler.send(507, [("Content-Type", "application/xml")], _FULL)
            return
        if injected.fault is Fault.FLIP:
            handler.send(*_flipped(*self._forward(handler, body)))
            return
        if injected.fault is Fault.LOSE:
            self._forward(handler, body)
        if injected.fault is Fault.HANG:
            injected.healed.wait()
        handler.close_connection = True

    def _forward(self, handler: _Handler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        where = urlsplit(self.upstream)
        with closing(HTTPConnection(where.netloc, timeout=UPSTREAM_SECONDS)) as upstream:
            # As it came, Host included: S3's signature covers it.
            upstream.putrequest(
                handler.command, handler.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in handler.headers.items():
                if name.lower() not in _OF_ONE_CONNECTION:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, _headers(answer, handler.command), answer.read()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        proxy = self

        class Handler(_Handler):
            def answer(self) -> None:
                proxy.answer(self)

        server = ThreadingHTTPServer((HOST, port), Handler)
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return server

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        raise NotImplementedError

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # the client may have given up
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the requests out of the tests' output."""

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_GET

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass


_FULL = (
    b"<?xml version='1.0'?><Error><Code>InsufficientStorage</Code>"
    b"<Message>there is no room left</Message></Error>"
)


def _headers(answer: HTTPResponse, method: str) -> list[tuple[str, str]]:
    """Keep the length of a HEAD's answer, which has no body to take it from."""
    kept = {"content-length"} if method == "HEAD" else set()
    dropped = _OF_ONE_CONNECTION - kept
    return [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]


def _flipped(
    status: int, headers: list[tuple[str, str]], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    middle = len(body) // 2
    return status, headers, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
