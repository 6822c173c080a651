"""The script of the backup, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backends import USER, Postgres
from manifests.rendered import MANIFESTS

SCRIPT = MANIFESTS / "base/postgres/backup.sh"
TABLES = "CREATE TABLE alembic_version (v text); INSERT INTO alembic_version VALUES ('kept')"
OLD = [f"mlflow-202001{day:02}T030000Z.dump" for day in range(1, 6)]

Backup = Callable[[], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """Return the name of a database with a table of MLflow's."""
    name = "to_be_kept"
    postgres.execute(f"CREATE DATABASE {name}", "postgres")
    postgres.execute(TABLES, name)
    yield name
    postgres.execute(f"DROP DATABASE {name}", "postgres")


@pytest.fixture
def backup(postgres: Postgres, database: str, tmp_path: Path) -> Backup:
    """Return a call of the script as the CronJob makes it, keeping three."""
    environment = {
        "PATH": f"{postgres.programs}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": USER,
        "PGDATABASE": database,
        "BACKUP_DIR": str(tmp_path),
        "BACKUPS_KEPT": "3",
    }
    command = ["sh", str(SCRIPT)]
    return lambda: subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_dump_can_be_restored(backup: Backup, postgres: Postgres, tmp_path: Path) -> None:
    done = backup()
    assert done.returncode == 0, done.stderr
    (dump,) = tmp_path.glob("mlflow-*.dump")
    assert done.stdout.startswith(f"{dump}: ")
    postgres.execute("CREATE DATABASE restored", "postgres")
    address = ["-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "-d", "restored"]
    subprocess.run([postgres.programs / "pg_restore", *address, dump], check=True)
    found = postgres.execute("SELECT v FROM alembic_version", "restored")
    postgres.execute("DROP DATABASE restored", "postgres")
    assert found == "kept\n"


def test_the_newest_are_kept(backup: Backup, tmp_path: Path) -> None:
    _put(tmp_path)
    assert backup().returncode == 0
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept[:2] == OLD[-2:]
    assert len(kept) == 3


def test_the_dumps_of_an_emptied_database_push_nothing_out(
    backup: Backup, postgres: Postgres, database: str, tmp_path: Path
) -> None:
    _put(tmp_path)
    postgres.execute("DROP TABLE alembic_version", database)
    done = backup()
    assert done.returncode == 1
    assert "holds no tables of MLflow" in done.stderr
    assert [path.name for path in sorted(tmp_path.glob("mlflow-*"))] == OLD


def test_a_server_that_does_not_answer_leaves_all_as_it_is(
    backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(tmp_path)
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": "1", "BACKUPS_KEPT": "3"}
    environment["BACKUP_DIR"] = str(tmp_path)
    done = subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert [path.name for path in sorted(tmp_path.glob("mlflow-*"))] == OLD


def _put(folder: Path) -> None:
    for name in OLD:
        (folder / name).write_bytes(b"dump")
