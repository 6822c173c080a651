"""Real stores on loopback: PostgreSQL, MLflow's server on it and on S3, and proxies that fail.

They start once a session. The fixture ``backend`` gives the same tests two sorts of stores: an
SQLite file with a folder, as on a laptop, and MLflow's server with PostgreSQL and S3, as on the
cluster.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from faultproxy import FaultProxy
from s3_access import S3_KEYS, s3_client_of
from s3fs import S3FileSystem  # type: ignore[import-untyped]

from components.deployment.local.ports import free_port
from components.settings import Settings

SettingsFactory = Callable[..., Settings]

START_SECONDS = 180
DATABASE, USER = "mlflow", "mlflow"
_DEBIAN = Path("/usr/lib/postgresql")
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL with one database."""

    port: int
    programs: Path

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg2://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def execute(self, sql: str, database: str = DATABASE) -> str:
        """Run a statement, and return what it prints."""
        command = [
            str(self.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER,
            "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc", sql,
        ]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @contextmanager
    def closed(self) -> Iterator[None]:
        """End every connection to the database, and take none within the block."""
        gate = f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS"
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname"
        self.execute(f"{gate} false", "postgres")
        self.execute(f"{end} = '{DATABASE}'", "postgres")
        try:
            yield
        finally:
            self.execute(f"{gate} true", "postgres")


@dataclass(frozen=True)
class MlflowServer:
    """MLflow's server over PostgreSQL, with artifacts in S3."""

    url: str
    database: Postgres

    def clear(self) -> None:
        """Forget every model, experiment and run."""
        self.database.execute("TRUNCATE registered_models, experiments CASCADE")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Serve an empty PostgreSQL database from a new folder."""
    programs, owner = _programs(), _owner()
    # Not below pytest's folder, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="health-predict-postgres-"))
    os.chown(folder, owner["user"], owner["group"])
    try:
        data = folder / "data"
        options = ["-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [programs / "initdb", "-D", data, *options], check=True, capture_output=True, **owner
        )
        database = Postgres(free_port(), programs)
        settings = [*_FAST, "listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [programs / "postgres", "-D", data, "-p", str(database.port)]
        for setting in settings:
            command += ["-c", setting]
        with running(command, folder / "log", **owner) as server:
            wait_until(server, folder / "log", lambda: _answers(database))
            database.execute(f"CREATE DATABASE {DATABASE}", "postgres")
            yield database
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mlflow_server(
    postgres: Postgres, s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """Serve MLflow with two workers."""
    s3_client_of(s3_endpoint).create_bucket(Bucket="mlflow")
    port, folder = free_port(), tmp_path_factory.mktemp("mlflow-server")
    command = [
        Path(sys.executable).with_name("mlflow"), "server",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
        "--allowed-hosts", "127.0.0.1:*",
        "--backend-store-uri", postgres.uri,
        "--serve-artifacts", "--artifacts-destination", "s3://mlflow/artifacts",
    ]  # fmt: skip
    environment = os.environ | S3_KEYS | {
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": s3_endpoint,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(command, folder / "log", env=environment, cwd=folder) as server:
        wait_until(server, folder / "log", lambda: httpx.get(f"{url}/health", timeout=5).is_success)
        yield MlflowServer(url, postgres)


@pytest.fixture
def server_settings(
    mlflow_server: MlflowServer, bucket: str, settings: SettingsFactory
) -> SettingsFactory:
    """Return a factory of settings over MLflow's server, emptied, and a new bucket."""
    mlflow_server.clear()
    stores = {
        "tracking_uri": mlflow_server.url,
        "artifact_uri": "mlflow-artifacts:/",
        "bundle_store": f"s3://{bucket}/bundles",
        "data_prefix": f"s3://{bucket}/data",
    }
    return lambda **changes: settings(**{**stores, **changes})


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> SettingsFactory:
    """Return a factory of settings over an empty registry and an empty store, of either sort."""
    name = "settings" if request.param == "sqlite" else "server_settings"
    factory: SettingsFactory = request.getfixturevalue(name)
    return factory


@pytest.fixture
def registry_proxy(mlflow_server: MlflowServer) -> Iterator[FaultProxy]:
    """Return a proxy in front of MLflow's server."""
    with closing(FaultProxy(mlflow_server.url)) as proxy:
        yield proxy


@pytest.fixture
def s3_proxy(
    s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultProxy]:
    """Return a proxy in front of the S3 server, to which the environment points."""
    with closing(FaultProxy(s3_endpoint)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        S3FileSystem.clear_instance_cache()  # s3fs keeps its clients, with the URL of their start
        yield proxy
        S3FileSystem.clear_instance_cache()


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs, or skip the test."""
    found = shutil.which("initdb") or max(map(str, _DEBIAN.glob("*/bin/initdb")), default=None)
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(found).resolve().parent


def _owner() -> dict[str, Any]:
    """Return as whom PostgreSQL runs, which does not run as root."""
    if os.geteuid() != 0:
        return {"user": os.geteuid(), "group": os.getegid()}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _answers(database: Postgres) -> bool:
    return database.execute("SELECT 1", "postgres") == "1\n"


@contextmanager
def running(command: list[Any], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a session of its own, and end all of its processes afterwards."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options
        )
    try:
        yield server
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until(
    server: subprocess.Popen[bytes],
    log: Path,
    ready: Callable[[], bool],
    seconds: float = START_SECONDS,
) -> None:
    """Wait until a server is ready, or fail with its log when it ended or took too long."""
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.TransportError, subprocess.CalledProcessError):
            if ready():
                return
        time.sleep(0.05)
    pytest.fail(f"{server.args!r} did not become ready: {log.read_text(errors='replace')}")
