"""What the overlays render to, without a cluster and without the network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifests.rendered import (
    MANIFESTS,
    Body,
    containers,
    kinds,
    label,
    named,
    pods,
    predictor_pod,
)

OURS = ("base", "components", "overlays")


def test_no_object_stands_twice(docs: list[Body]) -> None:
    assert [found for found, times in Counter(map(label, docs)).items() if times > 1] == []


def test_every_object_of_a_namespace_names_it(docs: list[Body]) -> None:
    whole = {
        "Namespace", "StorageClass", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }  # fmt: skip
    assert [
        label(doc) for doc in docs if (doc["kind"] in whole) == ("namespace" in doc["metadata"])
    ] == []


def test_ours_is_local() -> None:
    remote = {}
    for part in OURS:
        for path in (MANIFESTS / part).rglob("kustomization.yaml"):
            body = yaml.safe_load(path.read_text())
            found = [
                name
                for name in (*body.get("resources", []), *body.get("components", []))
                if not (path.parent / name).exists()
            ]
            if found:
                remote[str(path)] = found
    assert remote == {}


@pytest.mark.parametrize("missing", ["secrets/postgres.env", "cloud/cloud.env"])
def test_a_missing_file_of_secrets_is_named(tree: Path, tmp_path: Path, missing: str) -> None:
    copy = tmp_path / "manifests"
    shutil.copytree(tree, copy)
    (copy / "overlays/ec2" / missing).unlink()
    command = ["kubectl", "kustomize", str(copy / "overlays/ec2")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert missing in done.stderr


def test_what_a_pod_refers_to_is_there(docs: list[Body]) -> None:
    there = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in docs}
    missing = [
        f"{owner}: {kind} {name}"
        for owner, namespace, pod in pods(docs)
        for kind, name in _referred(pod)
        if (kind, namespace, name) not in there
    ]
    assert missing == []


def test_a_services_pods_are_there(docs: list[Body]) -> None:
    lonely = []
    for service in kinds(docs, "Service"):
        wanted, namespace = service["spec"]["selector"], service["metadata"]["namespace"]
        found = [
            doc
            for doc in kinds(docs, "Deployment", "StatefulSet")
            if doc["metadata"]["namespace"] == namespace
            and wanted.items() <= doc["spec"]["template"]["metadata"]["labels"].items()
        ]
        ports = [
            port["name"]
            for doc in found
            for container in doc["spec"]["template"]["spec"]["containers"]
            for port in container["ports"]
        ]
        targets = [port["targetPort"] for port in service["spec"]["ports"]]
        if len(found) != 1 or not set(targets) <= set(ports):
            lonely.append(label(service))
    assert lonely == []


def test_sizes_are_bounded(docs: list[Body]) -> None:
    """A quota refuses a pod without requests, and a limit above the request ends a neighbour."""
    wrong = []
    for owner, _, pod in pods(docs):
        for container in containers(pod):
            given = container.get("resources", {})
            requests, limits = given.get("requests", {}), given.get("limits", {})
            ours = container["name"] != "storage-initializer"
            if {"cpu", "memory"} - requests.keys() or {"cpu", "memory"} - limits.keys():
                wrong.append(f"{owner}: {container['name']} has no size")
            elif ours and requests["memory"] != limits["memory"]:
                wrong.append(f"{owner}: {container['name']} may take another's memory")
    assert wrong == []


def test_whoever_listens_is_asked_whether_it_is_ready_and_alive(docs: list[Body]) -> None:
    listening = [
        (owner, container)
        for owner, _, pod in pods(docs)
        for container in pod["containers"]
        if container.get("ports")
    ]
    assert len(listening) >= 3
    assert [
        f"{owner}: {container['name']}"
        for owner, container in listening
        if not {"readinessProbe", "livenessProbe"} <= container.keys()
    ] == []


def test_every_namespace_with_a_quota_gives_requests_to_who_has_none(docs: list[Body]) -> None:
    quotas = {doc["metadata"]["namespace"] for doc in kinds(docs, "ResourceQuota")}
    ranges = {doc["metadata"]["namespace"] for doc in kinds(docs, "LimitRange")}
    made = {doc["metadata"]["name"] for doc in kinds(docs, "Namespace")}
    assert quotas == ranges == made | {"kubeflow"}


def test_what_runs_fits_into_its_quota(docs: list[Body]) -> None:
    """Twice each Deployment, as during a rollout; the predictor's five, as during a release."""
    asked: dict[str, Counter[str]] = {}
    for owner, namespace, pod in pods(docs):
        many = 5 if owner == "the predictor" else 2 if owner.startswith("Deployment") else 1
        for container in pod["containers"]:
            for part in ("requests", "limits"):
                for name, value in container["resources"][part].items():
                    sizes = asked.setdefault(namespace, Counter())
                    sizes[f"{part}.{name}"] += int(many * _amount(value) * 1000)
    for quota in kinds(docs, "ResourceQuota"):
        sizes = asked.get(quota["metadata"]["namespace"], Counter())
        for name, value in quota["spec"]["hard"].items():
            if "." in name and not name.endswith("storage"):
                assert sizes[name] <= _amount(value) * 1000, (label(quota), name)


def test_a_disruption_budget_leaves_a_pod_to_end(docs: list[Body]) -> None:
    """One that allows none would block every drain of the node."""
    (budget,) = kinds(docs, "PodDisruptionBudget")
    service = named(docs, "InferenceService", "readmission", "serving")
    assert service["spec"]["predictor"]["minReplicas"] >= 2 > budget["spec"]["maxUnavailable"] > 0


def test_a_pod_that_ends_has_the_time_to(docs: list[Body]) -> None:
    pod = predictor_pod(docs)
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= sleep + 30


def test_artifacts_and_bundles_are_where_the_overlay_says(ec2: list[Body]) -> None:
    (artifacts,) = [d for d in kinds(ec2, "ConfigMap") if "object-store-" in label(d)]
    settings = named(ec2, "ConfigMap", "health-predict-settings", "kubeflow")["data"]
    place = named(ec2, "ConfigMap", "health-predict-object-store", "kubeflow")["data"]
    assert artifacts["data"]["ARTIFACTS_DESTINATION"] == "s3://artifacts/mlflow"
    assert settings["HEALTH_PREDICT_BUNDLE_STORE"] == "s3://artifacts/bundles"
    assert place == {"AWS_DEFAULT_REGION": "eu-west-1"}
    roles = {
        label(doc): doc["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].split("/")[1]
        for doc in kinds(ec2, "ServiceAccount")
        if "annotations" in doc["metadata"]
    }
    assert roles == {
        "ServiceAccount mlflow/mlflow": "mlflow",
        "ServiceAccount kubeflow/readmission-pipeline": "pipeline",
        "ServiceAccount serving/readmission": "serving",
    }
    assert kinds(ec2, "Secret") == [named(ec2, "Secret", "postgres", "mlflow")]


def _referred(pod: Body) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod["serviceAccountName"]
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in containers(pod):
        for source in container.get("envFrom", []):
            yield from _needed("ConfigMap", source.get("configMapRef"))
            yield from _needed("Secret", source.get("secretRef"))
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            yield from _needed("ConfigMap", source.get("configMapKeyRef"))
            yield from _needed("Secret", source.get("secretKeyRef"))


def _needed(kind: str, reference: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if reference and not reference.get("optional"):
        yield kind, reference["name"]


def _amount(value: Any) -> float:
    """Return a quantity as a number."""
    match = re.fullmatch(r"(\d+)(m|Mi|Gi)?", str(value))
    assert match, value
    return int(match[1]) * {"m": 1e-3, "Mi": 2**20, "Gi": 2**30, None: 1}[match[2]]
