"""backup.sh and restore.sh on a real PostgreSQL, MLflow and S3: everything is lost and had back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backends import MlflowServer, SettingsFactory
from bootstrap.kept import ROOT, Kept, environment

from components.registry.models import Registry

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["direct", "pods"])
def way(request: pytest.FixtureRequest) -> str:
    """Return how the scripts reach the services."""
    return str(request.param)


@pytest.fixture
def kept(
    server_settings: SettingsFactory, mlflow_server: MlflowServer, s3_client: Any, tmp_path: Path
) -> Kept:
    """Return an installation in use."""
    found = Kept(server_settings(), mlflow_server, s3_client)
    found.fill(tmp_path / "bundles")
    return found


@pytest.fixture
def run(kept: Kept, way: str, tmp_path: Path) -> Run:
    """Return a call of a script."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    (tmp_path / "backups").mkdir()

    def put(name: str, text: str) -> None:
        (fakes / name).write_text(f"#!/usr/bin/env bash\n{text}")
        (fakes / name).chmod(0o755)

    path = f"{fakes}:{kept.server.database.programs}:{os.environ['PATH']}"
    given = environment(kept, way, tmp_path / "applied.json", put)
    variables = os.environ | given | {"PATH": path}

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "cluster/bootstrap" / script), *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    return run


@pytest.fixture
def backup(run: Run, tmp_path: Path) -> Path:
    """Return a backup of the installation."""
    done = run("backup.sh", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_all_that_was_lost_is_there_again(kept: Kept, run: Run, backup: Path) -> None:
    before = kept.facts()
    assert before["serving"] == ("2", "1")
    assert before["artifacts"]
    kept.lose()
    assert kept.s3_objects("mlflow") == {}
    done = run("restore.sh", str(backup))
    assert done.returncode == 0, done.stderr
    assert kept.facts() == before
    assert done.stdout.splitlines()[-1] == "restored: 2 versions, in production: 2"


def test_a_backup_comes_back_from_the_object_store(
    kept: Kept, run: Run, s3_client: Any, tmp_path: Path
) -> None:
    before = kept.facts()
    done = run("backup.sh", str(tmp_path / "backups"), "--upload")
    assert done.returncode == 0, done.stderr
    folder, address = done.stdout.splitlines()[-2:]
    assert address == f"{kept.settings.data_prefix}/backups/{Path(folder).name}"
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    names = [path.name for path in Path(folder).iterdir()]
    kept_apart = {
        name: s3_client.get_object(Bucket=bucket, Key=f"{prefix}/{name}") for name in names
    }
    contents = {name: found["Body"].read() for name, found in kept_apart.items()}
    kept.lose()
    for name, content in contents.items():
        s3_client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)
    done = run("restore.sh", address)
    assert done.returncode == 0, done.stderr
    assert kept.facts() == before


@pytest.mark.parametrize("way", ["pods"])
def test_an_endpoint_without_a_model_serves_production_again(
    kept: Kept, run: Run, backup: Path, tmp_path: Path
) -> None:
    production = Registry(kept.settings).production()
    assert production is not None
    kept.lose()
    done = run("restore.sh", str(backup))
    assert done.returncode == 0, done.stderr
    applied = json.loads((tmp_path / "applied.json").read_text())
    model = applied["spec"]["predictor"]["model"]
    assert (model["storageUri"], model["args"]) == (production.bundle_uri, ["--version=2"])


def test_only_with_force_does_it_replace_a_registry(kept: Kept, run: Run, backup: Path) -> None:
    before = kept.facts()
    kept.fill_more()
    after = kept.facts()
    refused = run("restore.sh", str(backup))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: the registry is not empty: ")
    assert kept.facts() == after
    assert run("restore.sh", str(backup), "--force").returncode == 0
    assert kept.facts() == before


@pytest.mark.parametrize("name", ["mlflow.dump", "artifacts.tar", "bundles.tar"])
def test_a_backup_that_was_altered_is_refused_and_nothing_changes(
    kept: Kept, run: Run, backup: Path, name: str
) -> None:
    content = bytearray((backup / name).read_bytes())
    content[len(content) // 2] ^= 1
    (backup / name).write_bytes(content)
    before = kept.facts()
    done = run("restore.sh", str(backup), "--force")
    assert done.returncode == 1
    assert f"error: {backup} is not what was backed up; " in done.stderr
    assert kept.facts() == before


def test_a_backup_tells_its_folder_last_and_holds_no_part(backup: Path) -> None:
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]
    found = sorted(path.name for path in backup.iterdir())
    assert found == ["SHA256SUMS", "artifacts.tar", "bundles.tar", "mlflow.dump"]
    assert {path.stat().st_mode & 0o077 for path in backup.iterdir()} == {0}


def test_an_emptied_database_makes_no_backup(kept: Kept, run: Run, tmp_path: Path) -> None:
    kept.rename("alembic_version", "gone")
    done = run("backup.sh", str(tmp_path / "backups"))
    kept.rename("gone", "alembic_version")
    assert done.returncode == 1
    assert "holds no tables of MLflow" in done.stderr
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("backup.sh", []), ("backup.sh", ["/nowhere"]), ("restore.sh", []), ("restore.sh", ["/tmp"])],
)
def test_a_wrong_call_says_how(script: str, arguments: list[str]) -> None:
    command = [str(ROOT / "cluster/bootstrap" / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
