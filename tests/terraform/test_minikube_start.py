"""The script that starts Minikube, on the node and on a laptop, with stand-ins for its programs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from terraform.stack import NODE

SCRIPT = NODE / "minikube-start"
ISSUER = "https://issuer.example"
GIB = 1024**3
Tools = Callable[..., Path]


class Machine:
    """A machine with stand-ins for what the script calls."""

    def __init__(self, tools: Tools, tmp_path: Path) -> None:
        self.tools = tools
        self.folder = tmp_path
        self.node_env = tmp_path / "node.env"
        self.memory(32)
        tools("minikube", "[[ $1 != version ]] || echo v1.38.1")
        tools("kubectl")
        tools("id", "[[ $1 == -u ]] && echo 1000 || echo someone")

    def memory(self, gib: float) -> None:
        self.tools("docker", f"echo 8 {int(gib * GIB)}")

    def start(self, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "NODE_ENV": str(self.node_env),
            **environment,
        }
        return subprocess.run([str(SCRIPT)], env=given, capture_output=True, text=True)

    def options(self) -> list[str]:
        """Return what ``minikube start`` was last called with."""
        calls = (self.folder / "bin/calls").read_text().splitlines()
        starts = [call for call in calls if call.startswith("minikube start")]
        return starts[-1].split()[2:] if starts else []


@pytest.fixture
def machine(tools: Tools, tmp_path: Path) -> Machine:
    return Machine(tools, tmp_path)


def test_the_nodes_settings_come_from_its_file(machine: Machine) -> None:
    machine.node_env.write_text(
        f"MINIKUBE_VERSION=v1.38.1\nKUBERNETES_VERSION=v1.34.4\nOIDC_ISSUER={ISSUER}\n"
    )
    done = machine.start()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "minikube: minikube is up, Kubernetes v1.34.4, 8 CPUs, 30720 MiB\n"
    assert machine.options() == [
        "--profile", "minikube", "--driver=docker", "--kubernetes-version=v1.34.4", "--cpus=8",
        "--memory=30720m", "--cni=calico", "--addons=metrics-server", "--listen-address=127.0.0.1",
        "--wait=apiserver,system_pods,default_sa,node_ready", "--wait-timeout=15m",
        "--interactive=false",
        f"--extra-config=apiserver.service-account-issuer={ISSUER}",
        f"--extra-config=apiserver.service-account-jwks-uri={ISSUER}/openid/v1/jwks",
        f"--extra-config=apiserver.api-audiences={ISSUER}",
    ]  # fmt: skip


def test_a_laptop_has_no_issuer_and_no_file(machine: Machine) -> None:
    done = machine.start(
        KUBERNETES_VERSION="v1.34.4",
        MINIKUBE_CPUS="6",
        MINIKUBE_MEMORY="14000",
        MINIKUBE_DISK="60g",
        MINIKUBE_PROFILE="readmission",
    )
    assert done.returncode == 0
    options = machine.options()
    assert options[:2] == ["--profile", "readmission"]
    assert {"--cpus=6", "--memory=14000m", "--disk-size=60g"} < set(options)
    assert not [option for option in options if "extra-config" in option]


def test_what_the_environment_says_counts_before_the_file(machine: Machine) -> None:
    machine.node_env.write_text("# a comment\nKUBERNETES_VERSION=v1.30.0\nMINIKUBE_CPUS=4\n")
    machine.start(KUBERNETES_VERSION="v1.34.4")
    assert {"--kubernetes-version=v1.34.4", "--cpus=4"} < set(machine.options())


def test_a_second_start_asks_for_the_same(machine: Machine) -> None:
    asked = []
    for gib in (31.2, 31.4):  # kernels differ in what they keep for themselves
        machine.memory(gib)
        machine.start(KUBERNETES_VERSION="v1.34.4")
        asked.append(machine.options())
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "KUBERNETES_VERSION is not set; manifests/platform/versions.env says which"),
        (
            {"MINIKUBE_VERSION": "v1.38.0"},
            "minikube is v1.38.1; manifests/platform/versions.env says v1.38.0",
        ),
        ({"OIDC_ISSUER": "http://x"}, "OIDC_ISSUER must begin with https://, not http://x"),
        ({"MINIKUBE_CPUS": "2"}, "Minikube would get 2 CPUs; the stack needs 4"),
        (
            {"MINIKUBE_MEMORY": "8192"},
            "Minikube would get 8192 MiB of memory; the stack needs 12288",
        ),
        (
            {"MINIKUBE_MEMORY": "8g"},
            "MINIKUBE_CPUS and MINIKUBE_MEMORY are whole numbers (memory in MiB)",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(
    machine: Machine, environment: dict[str, str], message: str
) -> None:
    version = {"KUBERNETES_VERSION": "v1.34.4"} if environment else {}
    _refused(machine, message, **version, **environment)


def test_a_small_machine_is_told_so(machine: Machine) -> None:
    machine.memory(7.6)
    _refused(machine, "Minikube would get 5120 MiB of memory; the stack needs 12288")


def test_root_is_refused(machine: Machine) -> None:
    machine.tools("id", "echo 0")
    _refused(machine, "run it as a user of the group docker, not as root")


def test_no_docker_is_told_apart_from_no_rights(machine: Machine) -> None:
    machine.tools("docker", "exit 1")
    _refused(machine, "Docker does not answer; is it started, and is someone in the group docker?")


def test_a_failed_start_says_where_to_look(machine: Machine) -> None:
    machine.tools("minikube", "[[ $1 == version ]] && echo v1.38.1")
    done = machine.start(KUBERNETES_VERSION="v1.34.4")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: minikube did not start; minikube logs --profile minikube says why"
    ]


def test_an_api_that_does_not_answer_is_no_success(machine: Machine) -> None:
    machine.tools("kubectl", "exit 1")
    done = machine.start(KUBERNETES_VERSION="v1.34.4")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: the cluster's API does not answer on context minikube\n"


def _refused(machine: Machine, message: str, **environment: str) -> None:
    """Expect one line, and nothing started."""
    if "KUBERNETES_VERSION is not set" not in message:
        environment.setdefault("KUBERNETES_VERSION", "v1.34.4")
    done = machine.start(**environment)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    calls = machine.folder / "bin/calls"
    assert not calls.exists() or machine.options() == []
