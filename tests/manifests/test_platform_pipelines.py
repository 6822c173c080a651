"""What is changed of Kubeflow Pipelines, laid over what it ships of those objects."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifests.rendered import MANIFESTS, Body, generate_secrets, kustomize, named

from pipelines.cluster import SERVICE_ACCOUNT

NAMESPACE = "kubeflow"
# The objects that the patches name, as env/platform-agnostic of Kubeflow Pipelines 2.17.0 has them.
SHIPPED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: mysql}
spec:
  selector: {matchLabels: {app: mysql}}
  template:
    metadata: {labels: {app: mysql}}
    spec:
      containers:
        - name: mysql
          image: mysql:8.4
          env: [{name: MYSQL_ALLOW_EMPTY_PASSWORD, value: "true"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ml-pipeline}
spec:
  selector: {matchLabels: {app: ml-pipeline}}
  template:
    metadata: {labels: {app: ml-pipeline}}
    spec:
      containers:
        - name: ml-pipeline-api-server
          image: ghcr.io/kubeflow/kfp-api-server:2.17.0
          env: [{name: DBCONFIG_CONMAXLIFETIME, value: 120s}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: workflow-controller-configmap}
data:
  executor: |
    imagePullPolicy: IfNotPresent
  workflowDefaults: |
    spec:
      templateDefaults:
        retryStrategy: {limit: '2', retryPolicy: OnError}
---
apiVersion: v1
kind: Secret
metadata: {name: mysql-secret}
stringData: {username: root, password: ""}
---
apiVersion: v1
kind: Secret
metadata: {name: mlpipeline-minio-artifact}
stringData: {accesskey: minio, secretkey: minio123}
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Body]:
    """Return the objects of platform/pipelines, with ``SHIPPED`` for what it fetches."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder: Path = tmp_path_factory.mktemp("platform") / "pipelines"
    ignore = shutil.ignore_patterns("*.env")
    shutil.copytree(MANIFESTS / "platform/pipelines", folder, ignore=ignore)
    kustomization = folder / "kustomization.yaml"
    body: dict[str, Any] = yaml.safe_load(kustomization.read_text())
    assert len(body["resources"]) == 1
    kustomization.write_text(yaml.safe_dump(body | {"resources": ["shipped.yaml"]}))
    (folder / "shipped.yaml").write_text(SHIPPED)
    generate_secrets(folder)
    return kustomize(folder)


def test_a_step_that_fails_is_tried_again_as_often_as_it_says(rendered: list[Body]) -> None:
    """Argo lays a template's own ``retryStrategy`` over this one; KFP's names no policy."""
    config = named(rendered, "ConfigMap", "workflow-controller-configmap", NAMESPACE)["data"]
    spec = yaml.safe_load(config["workflowDefaults"])["spec"]
    assert spec["templateDefaults"]["retryStrategy"] == {"limit": "0", "retryPolicy": "Always"}
    assert spec["ttlStrategy"]["secondsAfterCompletion"] == 3600
    assert config["executor"] == "imagePullPolicy: IfNotPresent\n"


def test_a_run_of_the_dashboard_has_the_steps_service_account(rendered: list[Body]) -> None:
    """KFP reads it as ``common.DefaultPipelineRunnerServiceAccountFlag``, by viper."""
    pod = named(rendered, "Deployment", "ml-pipeline", NAMESPACE)["spec"]["template"]["spec"]
    found = {given["name"]: given["value"] for given in pod["containers"][0]["env"]}
    assert found == {
        "DEFAULTPIPELINERUNNERSERVICEACCOUNT": SERVICE_ACCOUNT,
        "DBCONFIG_CONMAXLIFETIME": "120s",
    }


def test_the_database_has_a_password(rendered: list[Body]) -> None:
    pod = named(rendered, "Deployment", "mysql", NAMESPACE)["spec"]["template"]["spec"]
    assert pod["containers"][0]["env"] == [
        {
            "name": "MYSQL_ROOT_PASSWORD",
            "valueFrom": {"secretKeyRef": {"name": "mysql-secret", "key": "password"}},
        }
    ]


@pytest.mark.parametrize(
    ("name", "keys", "published"),
    [
        ("mysql-secret", {"username", "password"}, ""),
        ("mlpipeline-minio-artifact", {"accesskey", "secretkey"}, "bWluaW8xMjM="),
    ],
)
def test_no_secret_is_the_published_one(
    rendered: list[Body], name: str, keys: set[str], published: str
) -> None:
    data = named(rendered, "Secret", name, NAMESPACE)["data"]
    assert set(data) == keys
    assert published not in data.values()
