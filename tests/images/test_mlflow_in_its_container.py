"""MLflow's server as its pod runs it: the steps' image, the Deployment's command, its limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import yaml
from backends import Postgres
from containers import ROOT, built_image, container, docker, wait_until_ready
from s3_access import S3_KEYS

from components.deployment.local.ports import free_port

DEPLOYMENT = ROOT / "manifests/base/mlflow/deployment.yaml"

pytestmark = pytest.mark.image


@dataclass(frozen=True)
class Served:
    container: str
    url: str


@pytest.fixture
def served(postgres: Postgres, s3_endpoint: str, bucket: str) -> Iterator[Served]:
    """Run the pod's container, with the memory and the disk that it may have."""
    pod = yaml.safe_load(DEPLOYMENT.read_text("utf-8"))["spec"]["template"]["spec"]
    (spec,), (migrate,) = pod["containers"], pod["initContainers"]
    given = {entry["name"]: entry["value"] for entry in spec["env"] if "value" in entry}
    place = {"MLFLOW_S3_ENDPOINT_URL": s3_endpoint, "AWS_DEFAULT_REGION": "us-east-1", **S3_KEYS}
    environment = given | place | {"MLFLOW_BACKEND_STORE_URI": postgres.uri}
    port, destination = free_port(), f"s3://{bucket}/artifacts"
    arguments = [arg.replace("$(ARTIFACTS_DESTINATION)", destination) for arg in spec["args"]]
    command = [*spec["command"], *arguments, "--host=127.0.0.1", f"--port={port}"]
    memory = spec["resources"]["limits"]["memory"].removesuffix("Mi")
    options = [f"--memory={memory}m", "--tmpfs=/tmp:size=512m"]
    options += [f"--env={name}={value}" for name, value in environment.items()]
    once = ("run", "--rm", "--read-only", "--network=host", *options)
    docker(*once, built_image("components"), *migrate["command"])
    with container(built_image("components"), *command, options=tuple(options)) as name:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(name, f"{url}/health", 180)
        yield Served(name, url)


def test_it_keeps_artifacts_within_its_limits(served: Served) -> None:
    headers = {"Host": "mlflow.mlflow.svc.cluster.local:5000"}
    put = f"{served.url}/api/2.0/mlflow-artifacts/artifacts/a/b.bin"
    content = os.urandom(32 << 20)
    with httpx.Client(headers=headers, timeout=120) as client:
        assert client.put(put, content=content).status_code == 200
        assert client.get(put).content == content
    state = docker(
        "inspect", "--format", "{{.State.OOMKilled}} {{.RestartCount}}", served.container
    )
    assert state == "false 0"
    uids = docker("exec", served.container, "python", "-c", "import os; print(os.getresuid())")
    assert uids == "(65532, 65532, 65532)"
