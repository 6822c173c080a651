"""The manifests of a person who has generated the secrets, rendered once a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from manifests.object_store import store
from manifests.rendered import (
    MANIFESTS,
    OVERLAYS,
    Body,
    generate_secrets,
    kustomize,
    with_components,
    write_cloud,
)

__all__ = ["store"]

Render = Callable[[str], list[Body]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "cluster: needs a cluster (CLUSTER_TESTS_REQUIRED and KUBECONFIG), else skipped"
    )


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the manifests with secrets, in which tests may write."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    tree = tmp_path_factory.mktemp("manifests") / "manifests"
    shutil.copytree(MANIFESTS, tree, ignore=shutil.ignore_patterns("secrets.env", "cloud.env"))
    for given in tree.rglob("secrets/*.env"):
        given.unlink()
    for folder in sorted(tree.glob("overlays/*/secrets")):
        generate_secrets(folder.parent)
    write_cloud(tree)
    return tree


@pytest.fixture(scope="session")
def render(tree: Path) -> Render:
    """Return the objects of an overlay; ``-full`` adds the components that none has by itself."""
    done: dict[str, list[Body]] = {}

    def render(name: str) -> list[Body]:
        if name not in done:
            overlay = name.removesuffix("-full")
            folder = tree / "overlays" / overlay
            done[name] = kustomize(folder if name == overlay else with_components(tree, overlay))
        return done[name]

    return render


@pytest.fixture(params=[*OVERLAYS, "minikube-full"])
def docs(request: pytest.FixtureRequest, render: Render) -> list[Body]:
    """Return the objects of each overlay, and of one with every component."""
    return render(request.param)


@pytest.fixture
def minikube(render: Render) -> list[Body]:
    return render("minikube")


@pytest.fixture
def ec2(render: Render) -> list[Body]:
    return render("ec2")
