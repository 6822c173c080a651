"""Copies of cluster/ that are initialised, and one that is applied to moto's server."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from terraform.stack import Account, Stack, missing

SERVER = Path(__file__).with_name("aws_server.py")
OVERRIDE = Path(__file__).with_name("moto_override.tf")
START_SECONDS = 90


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Return an initialised copy."""
    if reason := missing():
        pytest.skip(reason)
    return Stack.copied(tmp_path_factory.mktemp("stack"))


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of an empty AWS account."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as told:
        server = subprocess.Popen(
            [sys.executable, str(SERVER), str(port)], stdout=told, stderr=told
        )
    try:
        _wait(url := f"http://127.0.0.1:{port}", server, log)
        yield url
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Account:
    """Return a copy that was applied, and the account's URL."""
    if reason := missing():
        pytest.skip(reason)
    url = request.getfixturevalue("aws")
    made = Stack.copied(tmp_path_factory.mktemp("applied"), {"AWS_ENDPOINT_URL": url})
    shutil.copy(OVERRIDE, made.folder)
    made.run("apply", "-auto-approve", "-input=false")
    return made, url


@pytest.fixture
def tools(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of stand-ins for programs: each records how it was called, then acts."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name: str, act: str = "") -> Path:
        program = folder / name
        program.write_text(f'#!/bin/bash\necho "{name} $*" >>{folder}/calls\n{act}\n')
        program.chmod(0o755)
        return folder

    return make


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            httpx.get(f"{url}/moto-api/", timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"moto did not start: {log.read_text()}")
