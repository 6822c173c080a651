"""A webhook on loopback that answers as it is told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import SecretStr

from components.deployment.local.ports import free_port
from components.notify.webhook import Patience

SECRET = "T0SECRET/B0SECRET/x9Y8z7W6v5U4"
SHORT = Patience(attempt_s=3.0, waits_s=(0.01, 0.01), total_s=20.0)
"""Long enough for a busy machine; only its waits are short."""

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Hook:
    """What a webhook got, and where it is."""

    port: int
    bodies: list[Any] = field(default_factory=list)

    @property
    def url(self) -> SecretStr:
        return SecretStr(f"http://127.0.0.1:{self.port}/services/{SECRET}")


def status(code: int, body: bytes = b"ok", headers: dict[str, str] | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def close(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def half_an_answer(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
    request.connection.shutdown(socket.SHUT_RDWR)


def garbage(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(f"{request.path}\r\n\r\n".encode())
    request.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def webhook(*answers: Answer) -> Iterator[Hook]:
    """Serve a webhook that gives the answers in turn, the last one again and again."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = left.pop(0) if len(left) > 1 else left[0]
            answer(self)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep the requests out of the tests' output."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Keep clients that went away out of the tests' output."""

    with Server(("127.0.0.1", 0), Handler) as server:
        hook = Hook(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


def refusing() -> Hook:
    """Return a webhook that nothing listens at."""
    return Hook(free_port())
