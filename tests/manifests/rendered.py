"""The manifests as ``kubectl kustomize`` renders them, and the pods that they make."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = ("minikube", "ec2", "eks")
COMPONENTS = ("kuberay", "prometheus")
CLOUD = {
    "ARTIFACT_BUCKET": "artifacts",
    "DATA_BUCKET": "data",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "MLFLOW_ROLE_ARN": "arn:aws:iam::000000000000:role/mlflow",
    "PIPELINE_ROLE_ARN": "arn:aws:iam::000000000000:role/pipeline",
    "SERVING_ROLE_ARN": "arn:aws:iam::000000000000:role/serving",
}

Body = dict[str, Any]


def kustomize(folder: Path) -> list[Body]:
    """Render a kustomization; what it holds of secrets must be there."""
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def generate_secrets(folder: Path) -> str:
    """Do as the person who installs does, and return what the script says."""
    command = [str(MANIFESTS / "generate-secrets"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def write_cloud(tree: Path) -> None:
    """Write what Terraform would have put out."""
    lines = "".join(f"{name}={value}\n" for name, value in CLOUD.items())
    (tree / "overlays/ec2/cloud/cloud.env").write_text(lines)


def with_components(tree: Path, overlay: str) -> Path:
    """Return a kustomization of an overlay with the components that none has by itself too."""
    folder = tree / "overlays" / f"{overlay}-full"
    folder.mkdir()
    named = yaml.safe_load((tree / "overlays" / overlay / "kustomization.yaml").read_text())
    added = [f"../../components/{name}" for name in COMPONENTS]
    body = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"../{overlay}"],
        "components": [name for name in added if name not in named["components"]],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return folder


def named(docs: list[Body], kind: str, name: str, namespace: str = "") -> Body:
    """Return one object; that there is exactly one is part of every test."""
    wanted = (kind, name, namespace)
    found = [doc for doc in docs if wanted == _identity(doc)]
    assert len(found) == 1, f"{len(found)} of {kind} {namespace}/{name}"
    return found[0]


def kinds(docs: list[Body], *wanted: str) -> list[Body]:
    """Return all objects of some kinds."""
    return [doc for doc in docs if doc["kind"] in wanted]


def label(doc: Mapping[str, Any]) -> str:
    """Return an object's name for a message."""
    metadata = doc["metadata"]
    name = metadata.get("name") or metadata.get("generateName")
    return f"{doc['kind']} {metadata.get('namespace', '')}/{name}"


def smoke_job() -> Body:
    """Return the Job that is created and not applied."""
    found: Body = yaml.safe_load((MANIFESTS / "base/pipelines/smoke-job.yaml").read_text())
    return found


def predictor_pod(docs: list[Body]) -> Body:
    """Return the pod that KServe makes of the runtime and the InferenceService.

    It lays the predictor's pod fields over the runtime's, and adds what fetches the bundle with the
    settings of the platform's chart.
    """
    runtime = copy.deepcopy(named(docs, "ServingRuntime", "readmission", "serving"))["spec"]
    predictor = copy.deepcopy(named(docs, "InferenceService", "readmission", "serving"))["spec"]
    pod = {
        key: value
        for key, value in predictor["predictor"].items()
        if key not in ("minReplicas", "deploymentStrategy", "model")
    }
    container = runtime["containers"][0]
    container["args"] = [*container["args"], "--version=1"]
    mount = {"name": "kserve-provision-location", "mountPath": "/mnt/models"}
    container["volumeMounts"] = [*container["volumeMounts"], {**mount, "readOnly": True}]
    values = yaml.safe_load((MANIFESTS / "platform/kserve/values.yaml").read_text())
    limits = {"cpu": "1", "memory": "1Gi"}
    fetch = {
        "name": "storage-initializer",
        "image": "kserve/storage-initializer:v0.21.0",
        "args": ["s3://bucket/bundles/sha256-0", "/mnt/models"],
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}, "limits": limits},
        "securityContext": values["kserve"]["storage"]["containerSecurityContext"],
        "volumeMounts": [mount],
    }
    volumes = [*runtime["volumes"], {"name": mount["name"], "emptyDir": {}}]
    return {**pod, "containers": [container], "initContainers": [fetch], "volumes": volumes}


def pods(docs: list[Body]) -> Iterator[tuple[str, str, Body]]:
    """Yield the owner, the namespace and the pod of each workload, KServe's and Ray's too."""
    for doc in [*docs, smoke_job()]:
        for template in _templates(doc):
            yield label(doc), doc["metadata"]["namespace"], template["spec"]
    yield "the predictor", "serving", predictor_pod(docs)


def containers(pod: Body) -> list[Body]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def _identity(doc: Body) -> tuple[str, str, str]:
    return doc["kind"], doc["metadata"]["name"], doc["metadata"].get("namespace", "")


def _templates(doc: Body) -> list[Body]:
    spec = doc.get("spec", {})
    match doc["kind"]:
        case "Deployment" | "StatefulSet" | "Job":
            return [spec["template"]]
        case "CronJob":
            return [spec["jobTemplate"]["spec"]["template"]]
        case "RayCluster":
            groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
            return [group["template"] for group in groups]
        case _:
            return []
