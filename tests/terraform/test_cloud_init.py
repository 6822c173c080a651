"""What the node gets at its first boot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from terraform.stack import NODE, Stack

LIMIT = 16 * 1024
RENDER = (  # the console takes one line
    'templatefile("node/cloud-init.yaml.tftpl", {'
    'files = { for target, name in local.node_files : target => file("node/${name}") }, '
    'env = "OIDC_ISSUER=https://issuer.example\\n", tools = local.tools })'
)


@pytest.fixture(scope="module")
def user_data(stack: Stack) -> str:
    """Return the rendered document; the issuer's true name is known to an applied stack only."""
    rendered: str = stack.evaluate(RENDER)
    return rendered


@pytest.fixture(scope="module")
def config(user_data: str) -> Any:
    return yaml.safe_load(user_data)


def test_it_is_of_cloud_inits_schema(user_data: str, tmp_path: Path) -> None:
    if shutil.which("cloud-init") is None:
        pytest.skip("cloud-init is not installed")
    (tmp_path / "user-data").write_text(user_data)
    command = ["cloud-init", "schema", "--config-file", str(tmp_path / "user-data")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deprecat" not in (done.stdout + done.stderr).lower()


def test_ec2_takes_it(user_data: str) -> None:
    assert len(user_data.encode()) < LIMIT - 200  # a longer name of the issuer


def test_each_file_arrives_whole(config: Any) -> None:
    written = {Path(file["path"]).name: file for file in config["write_files"]}
    sources = [path for path in NODE.iterdir() if path.suffix != ".tftpl"]
    assert len(sources) == 8
    for path in sources:
        assert written[path.name]["content"] == path.read_text()
        runs = written[path.name]["permissions"] == "0755"
        assert runs == path.read_text().startswith("#!")


def test_what_runs_the_cluster_may_do_nothing_else(config: Any) -> None:
    assert config["users"] == [
        {"name": "minikube", "groups": ["docker"], "lock_passwd": True, "shell": "/bin/bash"}
    ]


def test_what_the_units_start_is_written(config: Any) -> None:
    written = {file["path"] for file in config["write_files"]}
    for unit in (*NODE.glob("*.service"), *NODE.glob("*.timer")):
        started = [
            line.partition("=")[2].split()[0]
            for line in unit.read_text().splitlines()
            if line.startswith("Exec")
        ]
        assert set(started) <= {*written, "/usr/local/bin/minikube"}
    assert config["runcmd"] == [["/usr/local/sbin/node-setup"]]


def test_minikube_comes_back_after_a_reboot() -> None:
    """A unit that no target wants starts once, by hand."""
    for name in ("minikube.service", "forward@.service"):
        text = (NODE / name).read_text()
        assert "WantedBy=multi-user.target" in text
        assert "User=minikube" in text
        assert "Restart=" in text
    assert "WantedBy=timers.target" in (NODE / "prune.timer").read_text()
