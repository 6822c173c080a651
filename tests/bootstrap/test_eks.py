"""The overlay of EKS differs from that of EC2 in storage, gateway and nothing else."""

from __future__ import annotations

import re
import shutil

import pytest
from bootstrap.fakes import ROOT
from manifests.rendered import MANIFESTS, Body, generate_secrets, kustomize, label, write_cloud


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Body]]:
    """Return the objects of both overlays by their names."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    tree = tmp_path_factory.mktemp("eks") / "manifests"
    shutil.copytree(MANIFESTS, tree, ignore=shutil.ignore_patterns("secrets.env", "cloud.env"))
    generate_secrets(tree / "overlays/ec2")
    write_cloud(tree)
    return {
        name: {label(doc): doc for doc in kustomize(tree / "overlays" / name)}
        for name in ("ec2", "eks")
    }


def test_only_storage_and_gateway_differ(rendered: dict[str, dict[str, Body]]) -> None:
    ec2, eks = rendered["ec2"], rendered["eks"]
    added = {"StorageClass /health-predict-gp3", "EnvoyProxy serving/readmission"}
    assert eks.keys() - ec2.keys() == added
    assert ec2.keys() <= eks.keys()
    assert [name for name in ec2 if ec2[name] != eks[name]] == ["Gateway serving/readmission"]


def test_the_gateway_takes_its_own_proxies(rendered: dict[str, dict[str, Body]]) -> None:
    objects = rendered["eks"]
    gateway, ec2 = (r["Gateway serving/readmission"]["spec"] for r in (objects, rendered["ec2"]))
    reference = gateway.pop("infrastructure")["parametersRef"]
    assert gateway == ec2
    assert f"{reference['kind']} serving/{reference['name']}" in objects


def test_the_load_balancer_is_internal(rendered: dict[str, dict[str, Body]]) -> None:
    """The endpoint asks nobody who he is."""
    proxy = rendered["eks"]["EnvoyProxy serving/readmission"]["spec"]
    service = proxy["provider"]["kubernetes"]["envoyService"]
    assert service["type"] == "LoadBalancer"
    assert "internal" in [v for k, v in service["annotations"].items() if k.endswith("-scheme")]


def test_volumes_are_encrypted_and_kept(rendered: dict[str, dict[str, Body]]) -> None:
    storage = rendered["eks"]["StorageClass /health-predict-gp3"]
    assert storage["parameters"]["encrypted"] == "true"
    assert storage["reclaimPolicy"] == "Retain"


def test_the_page_names_files_that_are_there() -> None:
    text = (ROOT / "cluster/EKS.md").read_text()
    named = set(re.findall(r"(?:manifests|cluster)/[a-z0-9/.-]+[a-z]", text))
    assert len(named) >= 6
    written = {"manifests/overlays/ec2/cloud/cloud.env"}
    assert [name for name in sorted(named - written) if not (ROOT / name).exists()] == []
