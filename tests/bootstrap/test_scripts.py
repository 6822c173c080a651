"""Every shell script of cluster/ and manifests/: shellcheck, and nothing of one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bootstrap.fakes import ROOT

ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
LIBRARIES = ("cluster/bootstrap/lib.sh", "cluster/bootstrap/stores.sh")


def _scripts() -> list[str]:
    command = ["git", "ls-files", "-co", "--exclude-standard", "cluster", "manifests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    listed = done.stdout.splitlines()
    found = [name for name in listed if (ROOT / name).is_file() and _is_shell(ROOT / name)]
    assert len(found) >= 10
    return found


def _is_shell(path: Path) -> bool:
    first = path.read_bytes().split(b"\n", 1)[0]
    return (first.startswith(b"#!") and first.endswith(b"sh")) or path.suffix == ".sh"


@pytest.mark.parametrize("name", _scripts())
def test_shellcheck_finds_nothing(name: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (Debian: apt-get install shellcheck)")
    command = ["shellcheck", "--external-sources", "--source-path=.", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", _scripts())
def test_a_script_can_be_run_and_stops_at_the_first_failure(name: str) -> None:
    path, text = ROOT / name, (ROOT / name).read_text()
    if name in LIBRARIES:
        assert not path.stat().st_mode & 0o111
        return
    wanted = "set -uo pipefail" if name.endswith("doctor.sh") else r"set -eu(o pipefail)?$"
    assert re.search(wanted, text, re.MULTILINE)
    # Those without the bit are run as "sh FILE", in a pod.
    assert path.stat().st_mode & 0o111 or text.startswith("#!/bin/sh")


def test_no_address_stands_in_a_file() -> None:
    found = {
        address
        for path in (ROOT / "cluster/bootstrap").glob("*.*")
        for address in ADDRESS.findall(path.read_text())
    }
    assert found == {"127.0.0.1"}
