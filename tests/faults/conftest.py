"""One endpoint on real stores that lives through every fault, and the table of what it did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from asking import Client, asking
from backends import MlflowServer
from faultproxy import FaultProxy
from releasing import Releases
from s3_access import S3_KEYS, s3_client_of
from stage import QUICK_CLIENTS, Stage, Table, TablesKey

from components.settings import Settings, TargetName


@pytest.fixture(scope="session")
def stage(
    mlflow_server: MlflowServer, s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Serve a first version from MLflow's server on PostgreSQL and from S3, each behind a proxy."""
    folder = tmp_path_factory.mktemp("faults")
    s3_client_of(s3_endpoint).create_bucket(Bucket="faults")
    with (
        closing(FaultProxy(s3_endpoint)) as store,
        closing(FaultProxy(mlflow_server.url)) as registry,
        pytest.MonkeyPatch.context() as patched,
    ):
        given = S3_KEYS | QUICK_CLIENTS | {
            "AWS_ENDPOINT_URL": store.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        for name, value in given.items():
            patched.setenv(name, value)
        settings = Settings(
            tracking_uri=registry.url,
            artifact_uri="mlflow-artifacts:/",
            bundle_store="s3://faults/bundles",
            data_prefix="s3://faults/data",
            state_dir=folder,
            deploy_target=TargetName.LOCAL,
            run_id="fault-run",
        )
        made = Stage(Releases(settings, folder), store, registry)
        made.release()
        yield made
        made.releases.stop()


@pytest.fixture(scope="session")
def client(stage: Stage) -> Iterator[Client]:
    """Ask the endpoint all the time, through all the tests."""
    with asking(stage.releases.endpoint().url, stage.bundles) as asked:
        stage.client = asked
        yield asked


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    """Take a line of each fault; it is printed when all have run."""
    made = Table()
    request.config.stash[TablesKey] = made
    return made


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, as it stands in the README."""
    made = config.stash.get(TablesKey, None)
    if made and made.lines:
        terminalreporter.write_line("\n" + made.text())
        if path := os.environ.get("FAULTS_TABLE"):
            Path(path).write_text(made.text() + "\n", "utf-8")
