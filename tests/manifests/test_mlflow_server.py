"""MLflow's server with the arguments of its Deployment, on PostgreSQL and S3."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import alembic.command
import httpx
import pytest
from alembic.script import ScriptDirectory
from backends import USER, Postgres, running, wait_until
from manifests.object_store import KEYS
from manifests.rendered import Body, containers, named
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

from components.deployment.local.ports import free_port

DATABASE = "of_the_manifests"
NAMES = ("mlflow", "mlflow.mlflow", "mlflow.mlflow.svc", "mlflow.mlflow.svc.cluster.local")
ASK = "/api/2.0/mlflow/experiments/search?max_results=1"


@dataclass(frozen=True)
class Served:
    url: str
    folder: Path

    def status(self, host: str, path: str = ASK) -> int:
        return httpx.get(f"{self.url}{path}", headers={"Host": host}, timeout=60).status_code


@pytest.fixture
def served(
    minikube: list[Body],
    postgres: Postgres,
    store: str,
    tmp_path: Path,
) -> Iterator[Served]:
    """Run what the pod runs, in an empty folder and on another port and loopback.

    On a database of its own, whose tables are of an older MLflow, and the object store with its
    own key.
    """
    pod = named(minikube, "Deployment", "mlflow", "mlflow")["spec"]["template"]["spec"]
    (container,), (migrate,) = pod["containers"], pod["initContainers"]
    (artifacts,) = (
        doc["data"]
        for doc in minikube
        if doc["kind"] == "ConfigMap" and doc["metadata"]["name"].startswith("object-store-")
    )
    given = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    uri = f"postgresql+psycopg2://{USER}@127.0.0.1:{postgres.port}/{DATABASE}"
    pattern = r"postgresql\+psycopg2://mlflow:\$\(POSTGRES_PASSWORD\)@[^/]+/mlflow"
    assert re.fullmatch(pattern, given["MLFLOW_BACKEND_STORE_URI"])
    environment = {
        **os.environ, **given, "MLFLOW_BACKEND_STORE_URI": uri, "HOME": str(tmp_path),
        "MLFLOW_S3_ENDPOINT_URL": store, "AWS_DEFAULT_REGION": artifacts["AWS_DEFAULT_REGION"],
        "AWS_ACCESS_KEY_ID": KEYS["MLFLOW_ID"], "AWS_SECRET_ACCESS_KEY": KEYS["MLFLOW_KEY"],
    }  # fmt: skip
    port, place = free_port(), artifacts["ARTIFACTS_DESTINATION"]
    arguments = [arg.replace("$(ARTIFACTS_DESTINATION)", place) for arg in container["args"]]
    arguments += [f"--port={port}", "--host=127.0.0.1", "--workers=1"]
    command = [Path(sys.executable).with_name("mlflow"), *container["command"][1:], *arguments]
    url, folder = f"http://127.0.0.1:{port}", tmp_path / "working"
    folder.mkdir()
    postgres.execute(f"CREATE DATABASE {DATABASE}", "postgres")
    _make_old_tables(uri)
    subprocess.run([sys.executable, *migrate["command"][1:]], env=environment, check=True)
    with running(command, tmp_path / "log", env=environment, cwd=folder) as server:
        wait_until(
            server, tmp_path / "log", lambda: httpx.get(f"{url}/health", timeout=5).is_success
        )
        yield Served(url, folder)
    postgres.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)", "postgres")


def _make_old_tables(uri: str) -> None:
    """Make the tables as they were before MLflow's last migration, and see them refused."""
    engine = utils.create_sqlalchemy_engine(uri)
    InitialBase.metadata.create_all(engine)
    config = utils._get_alembic_config(uri)
    head = ScriptDirectory.from_config(config).get_revision("head")
    alembic.command.upgrade(config, str(head.down_revision))
    with pytest.raises(MlflowException, match="out-of-date database schema"):
        utils._verify_schema(engine)
    engine.dispose()


def test_it_answers_by_every_name_and_by_no_other_and_writes_nothing(served: Served) -> None:
    assert {served.status(f"{name}:5000") for name in NAMES} == {200}
    assert {served.status(f"{host}:5000") for host in ("127.0.0.1", "localhost")} == {200}
    assert served.status("another.name:5000") == 403
    # A probe asks by the pod's address.
    assert served.status("10.example:5000", "/health") == 200
    put = f"{served.url}/api/2.0/mlflow-artifacts/artifacts/a/b.txt"
    answer = httpx.put(put, content=b"x", headers={"Host": "mlflow:5000"}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert list(served.folder.iterdir()) == []


def test_the_server_makes_no_jobs(minikube: list[Body]) -> None:
    """They take half of its memory; the quota counts with the other half."""
    container = named(minikube, "Deployment", "mlflow", "mlflow")["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert {"name": "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "value": "false"} in container["env"]


def test_the_password_is_in_no_argument(minikube: list[Body]) -> None:
    """Every process of the node may read those."""
    deployment = named(minikube, "Deployment", "mlflow", "mlflow")
    found = containers(deployment["spec"]["template"]["spec"])
    arguments = [part for one in found for part in [*one["command"], *one.get("args", [])]]
    assert not any("PASSWORD" in argument for argument in arguments)


def test_the_image_holds_the_driver() -> None:
    done = subprocess.run([sys.executable, "-c", "import psycopg2"], check=False)
    assert done.returncode == 0
