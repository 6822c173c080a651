"""Nothing floats: images, charts, remote bases; and no address or secret stands in a file."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from manifests.rendered import MANIFESTS, ROOT, Body, containers, named, pods
from manifests.versions import versions

ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
OURS = {"health-predict-components", "health-predict-serving"}
NAMED_ELSEWHERE = {"kustomization.yaml", "values.yaml", "smoke-job.yaml", ".checkov.yaml"}
REGISTRY = re.compile(r"^(docker\.io|ghcr\.io|quay\.io)/.+:[\w.-]+$")


def test_every_image_is_built_here_or_pinned(docs: list[Body]) -> None:
    built = {artifact["image"] for artifact in _skaffold()["build"]["artifacts"]}
    assert built == OURS

    def is_built(image: str) -> bool:
        name, _, tag = image.partition(":")
        return name in built and bool(tag)

    floating = [
        f"{owner}: {container['image']}"
        for owner, _, pod in pods(docs)
        for container in containers(pod)
        if container["name"] != "storage-initializer"
        and not REGISTRY.match(container["image"])
        and not is_built(container["image"])
    ]
    assert floating == []


def test_nothing_is_the_latest() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for path in _files()
        if re.search(r":latest\b|nightly|:main\b|ref=(master|main)\b", path.read_text())
    ]
    assert found == []


def test_no_file_names_an_address() -> None:
    found = {
        path.name: addresses
        for path in _files()
        if (addresses := set(ADDRESS.findall(path.read_text())) - {"0.0.0.0", "127.0.0.1"})
    }
    assert found == {}


def test_no_file_holds_a_secret() -> None:
    """Of an example file every key is empty, but for what is no secret."""
    for path in _files():
        text = path.read_text()
        if path.name.endswith(".example"):
            lines = [line for line in text.splitlines() if not line.startswith("#")]
            assert {line.partition("=")[2] for line in lines} <= {"", "root"}
        elif path.suffix == ".yaml":
            for doc in yaml.safe_load_all(text):
                assert not (isinstance(doc, dict) and doc.get("kind") == "Secret"), path
        assert "PRIVATE KEY" not in text


def test_git_ignores_what_is_generated() -> None:
    names = [
        "manifests/overlays/minikube/secrets/postgres.env",
        "manifests/overlays/ec2/cloud/cloud.env",
        "manifests/platform/pipelines/secrets/mysql.env",
    ]
    kept = [
        "manifests/overlays/minikube/secrets/postgres.env.example",
        "manifests/platform/versions.env",
    ]
    command = ["git", "-C", str(ROOT), "check-ignore", *names, *kept]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == names


def test_remote_bases_are_of_the_version_in_the_file() -> None:
    remote = [
        name
        for path in (MANIFESTS / "platform").rglob("kustomization.yaml")
        for name in yaml.safe_load(path.read_text())["resources"]
        if "://" in name
    ]
    assert len(remote) == 2
    assert {re.findall(r"[?&]ref=([^&]+)", name)[0] for name in remote} == {
        versions()["KFP_VERSION"]
    }


@pytest.mark.parametrize(
    ("release", "prefix"),
    [
        ("cert-manager", "CERT_MANAGER"),
        ("envoy-gateway", "ENVOY_GATEWAY"),
        ("kserve-crd", "KSERVE_CRD"),
        ("kserve", "KSERVE"),
    ],
)
def test_skaffold_installs_the_chart_in_the_file(release: str, prefix: str) -> None:
    releases = {
        entry["name"]: entry for entry in _skaffold("platform")["deploy"]["helm"]["releases"]
    }
    known = versions()
    version = known.get(f"{prefix}_VERSION") or known["KSERVE_VERSION"]
    assert releases[release]["remoteChart"] == known[f"{prefix}_CHART"]
    assert releases[release]["version"] == version


def test_the_platform_is_what_the_code_was_written_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    pins = dict(pin.split("==") for group in extras.values() for pin in group if "==" in pin)
    assert versions()["KSERVE_VERSION"] == f"v{pins['kserve']}"
    # The SDK must not be newer than the server.
    assert versions()["KFP_VERSION"] == pins["kfp"] == pins["kfp-kubernetes"]


def test_a_ray_cluster_runs_the_version_of_its_clients(render_full: list[Body]) -> None:
    locked = (ROOT / "components/requirements.txt").read_text()
    found = re.search(r"^ray==(\S+)", locked, re.MULTILINE)
    assert found is not None
    cluster = named(render_full, "RayCluster", "readmission", "ray")
    assert cluster["spec"]["rayVersion"] == found[1]


def test_a_dump_is_made_by_the_servers_own_version(docs: list[Body]) -> None:
    images = {
        container["image"]
        for owner, _, pod in pods(docs)
        for container in containers(pod)
        if "postgres" in owner
    }
    assert len(images) == 1


@pytest.fixture
def render_full(request: pytest.FixtureRequest) -> list[Body]:
    found: list[Body] = request.getfixturevalue("render")("minikube-full")
    return found


def test_every_file_is_used() -> None:
    """A manifest that no kustomization names would never be applied."""
    unused = []
    for path in MANIFESTS.rglob("*"):
        if path.suffix in (".yaml", ".sh", ".py") and path.name not in NAMED_ELSEWHERE:
            text = (path.parent / "kustomization.yaml").read_text()
            if not re.search(rf"(?<![\w-]){re.escape(path.name)}", text):
                unused.append(path.relative_to(MANIFESTS).as_posix())
    assert unused == []


def _files() -> Iterator[Path]:
    yield ROOT / "skaffold.yaml"
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z", "manifests"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name:
            yield ROOT / name


def _skaffold(name: str = "readmission") -> Body:
    modules = yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
    found: Body = next(body for body in modules if body["metadata"]["name"] == name)
    return found
