"""Promises about the repository itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("components", "serving", "pipelines")
PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*])?==(\S+)", re.MULTILINE)
IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")


def _lock(name: str) -> str:
    return (ROOT / name / "requirements.txt").read_text("utf-8")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_of_a_lock_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", _lock(name))
    pins = [entry for entry in entries if PIN.match(entry)]
    assert len(pins) > 30
    assert [entry.split()[0] for entry in pins if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", ["components", "serving"])
def test_an_images_lock_pins_what_the_tests_ran_with(name: str) -> None:
    tested = dict(PIN.findall(_lock("pipelines")))
    image = dict(PIN.findall(_lock(name)))
    assert {k: v for k, v in image.items() if tested.get(k) != v} == {}


@pytest.mark.parametrize("name", LOCKS)
def test_no_cuda_wheel_is_installed(name: str) -> None:
    names = [package for package, _ in PIN.findall(_lock(name))]
    assert [n for n in names if "nvidia" in n or "cuda" in n or n in ("xgboost", "torch")] == []


def test_serving_installs_no_training_library() -> None:
    """XGBoost is there, to explain and never to train or score."""
    names = {package for package, _ in PIN.findall(_lock("serving"))}
    assert names & {"ray", "mlflow", "mlflow-skinny", "kfp", "optuna", "scikit-learn"} == set()


def test_no_committed_file_names_an_address_or_a_package_host() -> None:
    found = {}
    for path in _tracked():
        text = path.read_text("utf-8", errors="ignore")
        addresses = set(IP.findall(text)) - {"127.0.0.1", "0.0.0.0"}
        hosts = re.findall(r"https?://[^\s/\"']*(?:pypi|pythonhosted|npmjs)[^\s/\"']*", text)
        if addresses or hosts:
            found[path.relative_to(ROOT).as_posix()] = sorted({*addresses, *hosts})
    assert found == {}
