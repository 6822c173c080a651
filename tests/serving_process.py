"""A true server process around a small bundle, and what is asked of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import Row, tiny_bundle

from components.deployment.local.ports import free_port
from components.registry.bundle import Bundle

ROOT = Path(__file__).parents[1]
START_SECONDS = 120
PREDICT = "/v1/models/readmission:predict"
EXPLAIN = "/v1/models/readmission:explain"
INFER = "/v2/models/readmission/infer"
JSON_TYPE = {"content-type": "application/json"}


@dataclass(frozen=True)
class Served:
    bundle: Bundle
    client: httpx.Client
    log: Path

    def post(self, path: str, body: object) -> httpx.Response:
        return self.client.post(path, json=body)


@contextmanager
def process(bundle: Path, port: int, log: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["--bundle", str(bundle), "--version", "3", "--port", str(port), *more]
    with log.open("wb") as stderr, log.with_suffix(".out").open("wb") as stdout:
        server = subprocess.Popen(
            [sys.executable, "-m", "serving", *arguments], cwd=ROOT, stdout=stdout, stderr=stderr
        )
    try:
        yield server
    finally:
        server.kill()
        server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if client.get("/v2/models/readmission/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"the server did not become ready: {log.read_text()}")


@contextmanager
def serving(
    folder: Path, *more: str, bundle: Bundle | None = None
) -> Iterator[tuple[Served, subprocess.Popen[bytes]]]:
    """Serve a small bundle, or the one that is there, as version 3.

    Args:
        folder: takes the log, and holds the bundle in a folder of that name.
        more: options of the server.
        bundle: the one that is there.
    """
    bundle, port, log = bundle or tiny_bundle(folder / "bundle"), free_port(), folder / "log"
    with (
        process(folder / "bundle", port, log, *more) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        wait_until_ready(server, client, log)
        yield Served(bundle, client, log), server


def inputs(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "INT64" if isinstance(value, int) else "BYTES",
            "data": [row[name] for row in rows],
        }
        for name, value in rows[0].items()
    ]


def assert_error(response: httpx.Response, status: int) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.status_code == status
    assert set(body) == {"error", "details"}
    assert body["error"]
    assert "\n" not in body["error"]
    return body
