"""Copies of cluster/ that are initialised, and one that is applied to moto's server."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from backends import running, wait_until
from terraform.stack import Account, Stack, missing

from components.deployment.local.ports import free_port

SERVER = Path(__file__).with_name("aws_server.py")
OVERRIDE = Path(__file__).with_name("moto_override.tf")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Return an initialised copy."""
    if reason := missing():
        pytest.skip(reason)
    return Stack.copied(tmp_path_factory.mktemp("stack"))


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of an empty AWS account."""
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "log"
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, SERVER, str(port)], log) as server:
        wait_until(server, log, lambda: httpx.get(f"{url}/moto-api/", timeout=5).is_success, 90)
        yield url


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
