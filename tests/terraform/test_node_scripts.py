"""The node's other scripts, with stand-ins for what they call."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from terraform.stack import NODE

Tools = Callable[..., Path]
IMAGES = """
for n in 8 7 6 5 4 3 2 1; do for t in $n x$n; do echo "id$n ${@: -1}:$t"; done; done
echo "id0 ${@: -1}:<none>"
"""


def _run(
    name: str, *args: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    given = {"PATH": f"{folder}:/usr/bin:/bin", **environment}
    return subprocess.run([str(NODE / name), *args], env=given, capture_output=True, text=True)


def _calls(folder: Path, program: str) -> list[str]:
    lines = (folder / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def setup(tools: Tools, tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Return what installs the tools that a list names, below tmp_path/target."""
    tools("sysctl")
    folder = tools("systemctl")
    (tmp_path / "target").mkdir()

    def run(listed: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "tools").write_text(listed)
        return _run(
            "node-setup",
            folder=folder,
            TOOLS=str(tmp_path / "tools"),
            TOOLS_DIR=str(tmp_path / "target"),
            PLUGINS_DIR=str(tmp_path / "plugins"),
        )

    return run


def _archive(tmp_path: Path) -> Path:
    (tmp_path / "linux-amd64").mkdir()
    (tmp_path / "linux-amd64/helm").write_text("helm itself")
    with tarfile.open(tmp_path / "helm-linux-amd64.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "linux-amd64", arcname="linux-amd64")
    return tmp_path / "helm-linux-amd64.tar.gz"


def _line(name: str, path: Path, sum_: str | None = None) -> str:
    return f"{name} {path.as_uri()} {sum_ or hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def test_tools_are_installed_and_units_started(
    setup: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    binary = tmp_path / "minikube-linux-amd64"
    binary.write_text("minikube itself")
    done = setup(_line("minikube", binary) + _line("helm", _archive(tmp_path)))
    assert (done.returncode, done.stdout) == (0, "installed minikube\ninstalled helm\n")
    for name in ("minikube", "helm"):
        installed = tmp_path / "target" / name
        assert installed.read_text() == f"{name} itself"
        assert installed.stat().st_mode & 0o777 == 0o755
    forwards = " ".join(f"forward@{name}.service" for name in ("dashboard", "mlflow", "endpoint"))
    assert _calls(tmp_path / "bin", "systemctl")[-1] == (
        f"systemctl enable --now --no-block minikube.service {forwards}"
    )


def test_buildx_is_where_docker_looks_for_it(
    setup: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    binary = tmp_path / "buildx-v1.linux-amd64"
    binary.write_text("buildx itself")
    assert setup(_line("buildx", binary)).returncode == 0
    installed = tmp_path / "plugins/docker-buildx"
    assert installed.read_text() == "buildx itself"
    assert installed.stat().st_mode & 0o777 == 0o755
    assert list((tmp_path / "target").iterdir()) == []


def test_a_changed_download_is_not_installed(
    setup: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    binary = tmp_path / "minikube-linux-amd64"
    binary.write_text("not what was published")
    done = setup(_line("minikube", binary, "0" * 64))
    assert done.returncode == 1
    assert done.stderr == (
        f"error: minikube from {binary.as_uri()} does not have the sha256 {'0' * 64}\n"
    )
    assert list((tmp_path / "target").iterdir()) == []
    assert not (tmp_path / "bin/calls").exists()


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("dashboard", "--namespace kubeflow {} service/ml-pipeline-ui 8080:80"),
        ("mlflow", "--namespace mlflow {} service/mlflow 5000:5000"),
        ("endpoint", "--namespace envoy-gateway-system {} service/envoy-x 8081:80"),
    ],
)
def test_a_forward_is_on_the_loopback(tools: Tools, name: str, called: str) -> None:
    folder = tools("kubectl", "[[ $* != *' get '* ]] || echo service/envoy-x")
    assert _run("forward", name, folder=folder).returncode == 0
    last = _calls(folder, "kubectl")[-1]
    assert last == f"kubectl {called.format('port-forward --address 127.0.0.1')}"


def test_a_forward_without_its_service_ends(tools: Tools) -> None:
    """Systemd tries again, until Envoy Gateway has made it."""
    done = _run("forward", "endpoint", folder=tools("kubectl"))
    assert (done.returncode, done.stderr) == (
        1,
        "error: the Gateway serving/readmission has no Service yet\n",
    )


def test_a_forward_knows_three_names(tools: Tools) -> None:
    done = _run("forward", "grafana", folder=tools("kubectl"))
    assert (done.returncode, done.stderr) == (
        1,
        "error: usage: forward dashboard|mlflow|endpoint\n",
    )


@pytest.fixture
def docker(tools: Tools) -> Path:
    """Return stand-ins of a cluster whose Docker has eight images of each sort, with two tags each.

    One is used by a container, one by a schedule.
    """
    tools("kubectl", "echo 'image: health-predict-components:x3'")
    tools("minikube", "echo 'export DOCKER_HOST=tcp://127.0.0.1:1'")
    tools("df", "printf 'Use%%\\n %s%%\\n' \"${USED:-41}\"")
    act = f'case "$1 $2" in "image ls") {IMAGES} ;; "image rm") [[ $3 != *serving:2 ]] ;; esac'
    return tools("docker", act)


def test_pruning_keeps_the_last_tags_and_what_is_used(docker: Path) -> None:
    done = _run("prune", folder=docker)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "kept health-predict-components:x3: a schedule runs it",
        "kept health-predict-serving:2: it is in use",
        "the disk is 41 % full",
    ]
    removed = [call.split()[-1] for call in _calls(docker, "docker") if " rm " in call]
    asked = [
        f"health-predict-{name}:{tag}"
        for name in ("components", "serving")
        for tag in ("3", "x3", "2", "x2", "1", "x1")
    ]
    assert removed == [image for image in asked if image != "health-predict-components:x3"]
    assert "docker image prune --force" in _calls(docker, "docker")


def test_no_image_goes_while_the_schedules_are_not_known(tools: Tools, docker: Path) -> None:
    tools("kubectl", "exit 1")
    done = _run("prune", folder=docker)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "kept all images: the cluster does not say what its schedules run"
    )
    assert not [call for call in _calls(docker, "docker") if " rm " in call]


def test_a_full_disk_is_a_failed_unit(docker: Path) -> None:
    done = _run("prune", folder=docker, USED="87")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the disk is 87 % full (limit 80 %): raise disk_gib")


def test_nothing_is_pruned_from_another_docker(tools: Tools, docker: Path) -> None:
    tools("minikube", "exit 1")
    done = _run("prune", folder=docker)
    assert (done.returncode, done.stderr) == (1, "error: Minikube is not up; nothing was pruned\n")
    assert _calls(docker, "docker") == []
