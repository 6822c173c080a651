"""What ``cluster/images/build`` hands to Docker, seen by a stand-in for it; no engine is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from containers import ROOT

DOCKER = """#!/usr/bin/env bash
case $1 in
version) echo "$CLIENT" ;;
buildx) exit 1 ;;
build)
  printf '%s\\n' "$@" >"$SEEN/arguments"
  for word; do
    [[ $word == id=* ]] || continue
    name=${word#id=}
    cp "${word#*src=}" "$SEEN/${name%%,*}"
  done
  ;;
esac
"""
INDEX = "https://someone:secret@packages.example/simple"


@dataclass(frozen=True)
class Seen:
    done: subprocess.CompletedProcess[str]
    folder: Path

    def __getitem__(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")


def _build(folder: Path, client: str = "20.10.24", **variables: str) -> Seen:
    """Run ``cluster/images/build`` with no settings of pip but ``variables``."""
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "REQUESTS_CA"))}
    own = {"DOCKER": str(folder / "docker"), "PYTHON": sys.executable, "CLIENT": client}
    environment = {**kept, **own, "SEEN": str(folder), "PIP_CONFIG_FILE": os.devnull, **variables}
    build = str(ROOT / "cluster" / "images" / "build")
    command = [build, "some:tag", "serving/Dockerfile", "--pull"]
    return Seen(subprocess.run(command, env=environment, capture_output=True, text=True), folder)


def test_what_pip_needs_goes_in_as_a_secret_and_as_no_argument(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("a certificate")
    more = "file:///opt/wheels https://more.example/simple"
    seen = _build(tmp_path, PIP_INDEX_URL=INDEX, PIP_EXTRA_INDEX_URL=more, PIP_CERT=str(ca))
    assert seen.done.returncode == 0, seen.done.stderr
    settings = seen["pip.conf"].splitlines()
    assert settings[0] == "[global]"
    assert f"index-url = {INDEX}" in settings
    assert [line.split() for line in settings if line.startswith("extra")] == [
        ["extra-index-url", "=", "https://more.example/simple"]
    ]
    assert "cert = /run/secrets/ca.crt" in settings
    assert seen["ca.crt"] == "a certificate"
    told = seen["arguments"] + seen.done.stdout + seen.done.stderr
    assert "secret@" not in told
    assert "example" not in told


def test_the_secrets_are_gone_after_the_build(tmp_path: Path) -> None:
    seen = _build(tmp_path, PIP_INDEX_URL=INDEX)
    sources = [line.split("src=")[1] for line in seen["arguments"].splitlines() if "src=" in line]
    assert sources
    assert [source for source in sources if Path(source).parent.exists()] == []


def test_the_build_is_told_the_projects_version_and_commit(tmp_path: Path) -> None:
    arguments = _build(tmp_path)["arguments"].splitlines()
    version = next(line for line in arguments if line.startswith("VERSION="))
    revision = next(line for line in arguments if line.startswith("REVISION="))
    assert (
        f'version = "{version.removeprefix("VERSION=")}"' in (ROOT / "pyproject.toml").read_text()
    )
    assert len(revision.removeprefix("REVISION=").removesuffix("-dirty")) == 40
    assert arguments[-2:] == ["--pull", "."]


@pytest.mark.parametrize("client", ["23.0.1", "28.2.2"])
def test_a_client_without_buildkit_is_refused_before_the_build(tmp_path: Path, client: str) -> None:
    seen = _build(tmp_path, client)
    assert seen.done.returncode == 2
    assert "has no BuildKit" in seen.done.stderr
    assert not (tmp_path / "arguments").exists()
