"""SeaweedFS as its pod starts it, on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from backends import running, wait_until
from manifests.rendered import MANIFESTS
from ports import free_ports
from s3_access import remove_sockets

SCRIPT = MANIFESTS / "components/seaweedfs/start.sh"
USERS = ("mlflow", "steps", "serving")
PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
    "filer.port.grpc", "s3.port", "s3.port.grpc",
)  # fmt: skip
KEYS = {f"{user.upper()}_{part}": f"{user}-{part}" for user in USERS for part in ("ID", "KEY")}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the script as the pod does, on other ports, and return its URL."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    environment = KEYS | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "DATA_DIR": str(folder),
        "SHELL_MASTER": f"127.0.0.1:{ports['master.port']}.{ports['master.port.grpc']}",
    }
    # Catalogues of tables, whose ports are the same for every server of this machine.
    off = ("-s3.port.iceberg=0", "-s3.port.lance=0")
    command = ["sh", str(SCRIPT), "-ip.bind=127.0.0.1", *off]
    command += [f"-{name}={port}" for name, port in ports.items()]
    try:
        # With what makes the buckets, which waits for ever for a server that did not start.
        with running(command, folder / "log", env=environment) as server:
            wait_until(server, folder / "log", (folder / "ready").exists, 120)
            yield f"http://127.0.0.1:{ports['s3.port']}"
    finally:
        remove_sockets(ports.values())
