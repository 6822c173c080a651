"""The script that makes an installation's secrets."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from manifests.rendered import MANIFESTS, generate_secrets

FOLDERS = ("overlays/minikube", "overlays/ec2", "platform/pipelines")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an overlay's folder without any secret."""
    found = tmp_path / "an overlay"
    found.mkdir()
    ignore = shutil.ignore_patterns("*.env")
    shutil.copytree(MANIFESTS / "overlays/minikube/secrets", found / "secrets", ignore=ignore)
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_has_examples(name: str) -> None:
    assert list((MANIFESTS / name / "secrets").glob("*.env.example"))


def test_each_secret_is_random_and_may_stand_in_a_url(folder: Path) -> None:
    generate_secrets(folder)
    values = [value for path in _made(folder) for value in _values(path).values()]
    assert len(set(values)) == len(values) == 7
    assert all(re.fullmatch(r"[0-9a-f]{40}", value) for value in values)


def test_only_the_owner_may_read_them(folder: Path) -> None:
    generate_secrets(folder)
    assert {path.stat().st_mode & 0o777 for path in _made(folder)} == {0o600}


def test_what_is_there_stays(folder: Path) -> None:
    """A database keeps the password that it was made with."""
    generate_secrets(folder)
    (folder / "secrets/s3-mlflow.env").unlink()
    before = {path.name: path.read_text() for path in _made(folder)}
    said = generate_secrets(folder)
    after = {path.name: path.read_text() for path in _made(folder)}
    assert after.items() > before.items()
    assert said.count("wrote") == 1


def test_what_is_no_secret_is_taken_over() -> None:
    text = (MANIFESTS / "platform/pipelines/secrets/mysql.env.example").read_text()
    assert "username=root\n" in text


@pytest.mark.parametrize("arguments", [[], ["/nowhere"], ["a", "b"]])
def test_a_wrong_call_says_how(arguments: list[str]) -> None:
    script = str(MANIFESTS / "generate-secrets")
    done = subprocess.run([script, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def _made(folder: Path) -> list[Path]:
    return sorted((folder / "secrets").glob("*.env"))


def _values(path: Path) -> dict[str, str]:
    pairs = [line.partition("=")[::2] for line in path.read_text().splitlines()]
    return dict(pairs)
