"""A proxy before an API server, real or fake, that breaks off, hangs, or lets others go first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

Answer = tuple[int, bytes]
Hook = Callable[[str, str], Answer | None]
"""Is told the method and the path; returns an answer in the place of the server's, or ``None``."""


class BrokenOff(Exception):
    """The connection is to end without an answer."""


class FaultyCluster:
    """Hands every request on, after its hooks: ``before`` and ``after`` the server's answer."""

    def __init__(self, url: str, authority: str | None) -> None:
        self.before: Hook = lambda method, path: None
        self.after: Hook = lambda method, path: None
        self.requests = 0
        self.ended = threading.Event()
        upstream = urllib3.PoolManager(ca_certs=authority) if authority else urllib3.PoolManager()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, url, upstream))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def heal(self) -> None:
        """Hand everything on again."""
        self.before = self.after = lambda method, path: None

    def break_off(self, number: int, *, delivered: bool) -> None:
        """Answer no request from this one on (counted from 0); it may still reach the server."""
        self.requests = 0

        def before(method: str, path: str) -> None:
            if self.requests > number + delivered:
                raise BrokenOff

        def after(method: str, path: str) -> None:
            if self.requests > number:
                raise BrokenOff

        self.before, self.after = before, after


def _handler(front: FaultyCluster, url: str, upstream: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            front.requests += 1
            try:
                code, data = self._answer(body)
            except BrokenOff:
                self.close_connection = True
                return
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _answer(self, body: bytes) -> Answer:
            if answer := front.before(self.command, self.path):
                return answer
            kept = ("Authorization", "Content-Type", "Accept")
            headers = {key: value for key in kept if (value := self.headers.get(key))}
            found = upstream.request(
                self.command, url + self.path, body=body or None, headers=headers, retries=False
            )
            return front.after(self.command, self.path) or (found.status, found.data)

        do_GET = do_PATCH = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
