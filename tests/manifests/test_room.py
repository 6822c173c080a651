"""All that is promised its cores finds room on the smallest machine that is named."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
import yaml
from kubernetes.utils.quantity import parse_quantity
from manifests.rendered import MANIFESTS, Body, containers, pods, predictor_pod

from pipelines.cluster import PODS

ROOT = MANIFESTS.parent
MILLICORES = {
    # kubeadm's ComponentResources and addons; Minikube's Calico and metrics-server
    "kube-apiserver": 250,
    "kube-controller-manager": 200,
    "kube-scheduler": 100,
    "etcd": 100,
    "coredns": 100,
    "calico-node": 250,
    "metrics-server": 100,
    # gateway-helm's values; our EnvoyProxy, twice, each with a shutdown manager of 10
    "envoy-gateway": 100,
    "envoy": 2 * (100 + 10),
    # our values of kserve-resources, and its proxy
    "kserve-controller-manager": 100 + 100,
    # manifests/kustomize/env/platform-agnostic of Kubeflow Pipelines 2.17.0, the sum
    "kubeflow-pipelines": 704,
}
"""CPU requests of third parties, as their manifests have them."""
DRIVER = 100
"""Of a task's driver (backend/src/v2/compiler/argocompiler/argo.go, 2.17.0)."""
AGENT = 100
"""That KServe puts beside a predictor without a model, as before the first release."""
PROMETHEUS = "manifests/platform/prometheus/values.yaml"


def _cpu(pod: Body) -> int:
    """Return a pod's CPU request in millicores."""
    asked = [c["resources"]["requests"]["cpu"] for c in pod["containers"]]
    first = [c["resources"]["requests"]["cpu"] for c in containers(pod)[: -len(asked)]]
    return int(max([_total(asked), *map(parse_quantity, first)]) * 1000)


def _total(asked: list[str]) -> Decimal:
    return sum((parse_quantity(one) for one in asked), Decimal(0))


def _standing(docs: list[Body]) -> int:
    """Return the millicores of what always runs of ours, the predictor apart."""
    owners = ("Deployment", "StatefulSet")
    return sum(_cpu(pod) for owner, _, pod in pods(docs) if owner.startswith(owners))


def _steps() -> list[int]:
    return [int(parse_quantity(pod.cpu[0]) * 1000) for pod in PODS.values()]


def _floor() -> int:
    """Return the cores that the node's own script asks for."""
    script = (ROOT / "cluster/node/minikube-start").read_text()
    found = re.search(r"\(\(cpus >= (\d+)\)\)", script)
    assert found
    return int(found[1]) * 1000


@pytest.fixture
def monitoring() -> int:
    values: Body = yaml.safe_load((ROOT / PROMETHEUS).read_text())
    asked = values["prometheus"]["prometheusSpec"]["resources"]["requests"]["cpu"]
    return int(parse_quantity(asked) * 1000)


@pytest.mark.parametrize("has_model", [False, True])
def test_a_run_finds_room_on_a_laptop(minikube: list[Body], has_model: bool) -> None:
    assert _peak(minikube, has_model) <= _floor()


@pytest.mark.parametrize("has_model", [False, True])
def test_a_run_finds_room_on_the_smallest_node(
    ec2: list[Body], monitoring: int, has_model: bool
) -> None:
    assert _peak(ec2, has_model) + monitoring <= _floor()


def _peak(docs: list[Body], has_model: bool) -> int:
    """Return the most millicores that are asked for during a run.

    The canary's two pods come beside one of the stable version's; before the first release two
    servers without a model stand there.
    """
    server = _cpu(predictor_pod(docs))
    stands = sum(MILLICORES.values()) + _standing(docs)
    searching = 2 * (server + (0 if has_model else AGENT)) + max(_steps()) + DRIVER
    releasing = 3 * server + int(parse_quantity(PODS["release"].cpu[0]) * 1000)
    return stands + max(searching, releasing)
