"""Fixtures of several folders: settings over a real MLflow store, a bucket of a real S3 server."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from backends import (
    backend,
    mlflow_server,
    postgres,
    registry_proxy,
    running,
    s3_proxy,
    server_settings,
    wait_until,
)
from ports import free_ports
from s3_access import S3_KEYS, remove_sockets, s3_client_of

from components.settings import Settings

SETTINGS_PREFIX = "HEALTH_PREDICT_"
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
S3_PORTS = ("master", "volume", "filer", "s3", "admin")

SettingsFactory = Callable[..., Settings]

__all__ = [  # fixtures
    "backend", "mlflow_server", "postgres", "registry_proxy", "s3_proxy", "server_settings",
]  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Silence what the libraries would send home, and the one warning that MLflow's store gives."""
    # xdist's workers ignore it, and so would every process that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(QUIET)
    for name in [name for name in os.environ if name.startswith(SETTINGS_PREFIX)]:
        if name != "HEALTH_PREDICT_REAL_DATA":
            del os.environ[name]
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without a model; making one costs seconds, a copy nothing."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    client = MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}")
    assert client.search_registered_models() == []
    return path


@pytest.fixture
def settings(tmp_path: Path, empty_registry: Path) -> SettingsFactory:
    """Return a factory of settings over one state folder with an empty registry of its own."""
    root = tmp_path / "state folder"  # the space shows who forgets to quote or to unquote
    root.mkdir()
    shutil.copy(empty_registry, root / "mlflow.db")

    def make(**changes: Any) -> Settings:
        values = {
            "tracking_uri": f"sqlite:///{root / 'mlflow.db'}",
            "artifact_uri": (root / "mlartifacts").as_uri(),
            "bundle_store": (root / "bundles").as_uri(),
            "data_prefix": (root / "data").as_uri(),
            "state_dir": root,
            "deploy_target": "local",
            "run_id": "test-run",
            "min_free_mb": 0,
        }
        return Settings(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve S3 from a folder with SeaweedFS, and return its URL."""
    folder = tmp_path_factory.mktemp("s3")
    names = [f"{name}.port{kind}" for name in S3_PORTS for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        str(Path(sys.executable).with_name("weed")),
        "mini",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        # The disk's free space in such volumes may be given out; each bucket takes some for itself.
        "-master.volumeSizeLimitMB=32",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    (folder / "data").mkdir()
    url = f"http://127.0.0.1:{ports['s3.port']}"
    try:
        with running(command, folder / "log", env=os.environ | S3_KEYS) as server:
            wait_until(server, folder / "log", lambda: httpx.get(url, timeout=5).status_code > 0)
            yield url
    finally:
        remove_sockets(ports.values())


@pytest.fixture
def s3_client(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Point the environment's AWS variables at the server, and return a client of it."""
    for name, value in {
        **S3_KEYS,
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return s3_client_of(s3_endpoint)


@pytest.fixture
def bucket(s3_client: Any) -> str:
    """Return the name of a new bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return name
