"""A Kubernetes API server as far as the tests see it: HTTP on loopback, objects in memory.

Where a real one is at hand, the same tests run against that; this one answers as it was seen to.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fake_apply import Body
from fake_objects import DEPLOYMENTS, SERVICES, Objects, Refused, Request, forbidden

ADMIN = "admin"
_RESOURCES = (SERVICES, DEPLOYMENTS, "pods", "events", "namespaces")
_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)/(?:namespaces/(?P<namespace>[^/]+)/)?"
    r"(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?P<status>/status)?"
)
Rules = tuple[tuple[str, str, tuple[str, ...]], ...]


class FakeCluster:
    """The server and the accounts that it knows."""

    def __init__(self) -> None:
        self._objects = Objects()
        self._accounts: dict[str, Rules | None] = {ADMIN: None}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.answer))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def account(self, rules: Rules) -> str:
        """Make an account that may do only this, and return its token."""
        token = uuid.uuid4().hex
        self._accounts[token] = rules
        return token

    def answer(self, request: Request | None) -> tuple[int, Body | bytes]:
        """Return the status code and the body of an answer."""
        if request is None or request.resource not in _RESOURCES:
            return 404, b"404 page not found\n"
        try:
            if request.token not in self._accounts:
                raise Refused(401, "Unauthorized", "Unauthorized")
            if not self._may(request, request.verb):
                raise forbidden(request, request.verb)
            return 200, self._objects.handle(request, self._may(request, "create"))
        except Refused as refused:
            return refused.code, _status(refused, request)

    def _may(self, request: Request, verb: str) -> bool:
        rules = self._accounts[request.token]
        asked = (request.group, request.plural)
        return rules is None or any(rule[:2] == asked and verb in rule[2] for rule in rules)


def write_kubeconfig(path: Path, url: str, token: str, authority: str = "") -> Path:
    """Write a kubeconfig; ``authority`` is the server's certificate authority, base64."""
    cluster = {"server": url} | ({"certificate-authority-data": authority} if authority else {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config), "utf-8")
    return path


def _handler(answer: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            code, body = answer(_request(self, self.rfile.read(length)))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _request(handler: BaseHTTPRequestHandler, body: bytes) -> Request | None:
    url = urlsplit(handler.path)
    found = _PATH.fullmatch(url.path)
    if found is None:
        return None
    parts = {key: value or "" for key, value in found.groupdict().items()}
    return Request(
        handler.command,
        {key: values[-1] for key, values in parse_qs(url.query).items()},
        handler.headers.get("Content-Type", ""),
        json.loads(body) if body else {},
        (handler.headers.get("Authorization") or "").removeprefix("Bearer "),
        parts["group"],
        parts["namespace"],
        parts["plural"],
        parts["name"],
        bool(parts["status"]),
    )


def _status(refused: Refused, request: Request) -> Body:
    details: Body = {"name": request.name, "group": request.group, "kind": request.plural}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": str(refused),
        "reason": refused.reason,
        "details": details | ({"causes": refused.causes} if refused.causes else {}),
        "code": refused.code,
    }
