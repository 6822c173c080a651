"""The server's ASGI application in this process, where a process of its own is not the point."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from serving.front import App
from serving.predictor import ReadmissionPredictor
from serving.server import ReadmissionServer, listen


@dataclass(frozen=True)
class Application:
    """Answers requests without a socket."""

    app: App

    def post(self, path: str, body: object) -> httpx.Response:
        return self.post_at_once((path, body))[0]

    def post_at_once(self, *requests: tuple[str, object]) -> list[httpx.Response]:
        """Send some requests at the same time."""
        return asyncio.run(self._post(requests))

    async def _post(self, requests: tuple[tuple[str, object], ...]) -> list[httpx.Response]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            return await asyncio.gather(*(client.post(path, json=body) for path, body in requests))


@contextmanager
def application(bundle: Path) -> Iterator[Application]:
    """Load a bundle as ``python -m serving`` does, with kserve's application around it."""
    model = ReadmissionPredictor(bundle, "3")
    model.load()
    with listen("127.0.0.1", 0) as listener:
        server = ReadmissionServer(listener, model)
        server.rest.create_application()
        yield Application(server.rest.app)
