"""A cluster to release to: the one of KUBECONFIG when it is asked for, else a fake API server.

``CLUSTER_TESTS_REQUIRED=1`` asks for it. Its namespace ``serving`` must be empty, or one that these
tests made: they delete what is in it.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_admin import DEPLOYMENTS, EVENTS, PODS, SERVICES, Admin, Cluster
from cluster_release import SKELETON
from fake_kubernetes import ADMIN, FakeCluster, Rules, write_kubeconfig
from faulty_cluster import FaultyCluster
from kserve_controller import Controller
from kubernetes.client import ApiException

from components.deployment.kserve import NAMESPACE, wait
from components.deployment.kserve.api import RULES
from components.deployment.kserve.target import KServeTarget
from components.settings import Settings, TargetName

REQUIRED = "CLUSTER_TESTS_REQUIRED"
OURS = {"health-predict/tests": "true"}
KSERVE = "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.environ.get(REQUIRED):
        if "KUBECONFIG" not in os.environ:
            pytest.exit(f"{REQUIRED} asks for a cluster, but KUBECONFIG names none")
        admin = Admin(Path(os.environ["KUBECONFIG"]))
        yield Cluster(admin, lambda rules: _service_account(admin, rules), is_real=True)
        return
    fake = FakeCluster()
    path = tmp_path_factory.mktemp("fake") / "kubeconfig"
    yield Cluster(Admin(write_kubeconfig(path, fake.url, ADMIN)), fake.account, is_real=False)
    fake.stop()


@pytest.fixture(scope="session")
def steps_token(cluster: Cluster) -> str:
    """Return the token of an account with just the rights that a release says it needs."""
    _own_namespace(cluster.admin)
    return cluster.account(RULES)


@pytest.fixture
def admin(cluster: Cluster, steps_token: str) -> Admin:
    """Return the administrator of a cluster whose namespace holds only the applied manifests."""
    found = cluster.admin
    for path in (SERVICES, DEPLOYMENTS, PODS, EVENTS):
        for item in found.items(path):
            found.delete(f"{path}/{item['metadata']['name']}")
    found.apply(SKELETON, "kubectl")
    return found


@pytest.fixture
def kubeconfig(
    cluster: Cluster, steps_token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Let KUBECONFIG name the steps' account."""
    path = cluster.kubeconfig(tmp_path / "kubeconfig", steps_token)
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr(wait, "POLL_S", 0.02)
    return path


@pytest.fixture
def creator(cluster: Cluster, kubeconfig: Path) -> None:
    """Let KUBECONFIG name an account that may also create the InferenceService."""
    rights = tuple((group, name, (*verbs, "create")) for group, name, verbs in RULES)
    cluster.kubeconfig(kubeconfig, cluster.account(rights))


@pytest.fixture
def controller(admin: Admin) -> Iterator[Controller]:
    """Do KServe's work, and say at the end what it would have refused, and which requests lost."""
    if admin.get(KSERVE):
        pytest.skip("KServe is at work in this cluster, and would act on what these tests release")
    found = Controller(admin)
    yield found
    found.stop()
    assert found.wrong == []


@pytest.fixture
def cluster_settings(tmp_path: Path) -> Settings:
    return Settings(
        tracking_uri="sqlite:///mlflow.db",
        artifact_uri="s3://mlflow",
        bundle_store="s3://bundles",
        data_prefix="s3://data",
        state_dir=tmp_path,
        deploy_target=TargetName.KSERVE,
        kserve_url="http://{service}.{namespace}.test",
        run_id="run-1",
    )


@pytest.fixture
def target(controller: Controller, kubeconfig: Path, cluster_settings: Settings) -> KServeTarget:
    return KServeTarget(cluster_settings)


@pytest.fixture
def front(
    cluster: Cluster,
    target: KServeTarget,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FaultyCluster]:
    """Let KUBECONFIG name a proxy that can fail; ``target`` goes past it."""
    found = FaultyCluster(cluster.url, cluster.authority)
    token = json.loads(kubeconfig.read_text("utf-8"))["users"][0]["user"]["token"]
    path = cluster.kubeconfig(tmp_path / "front", token, found.url)
    monkeypatch.setenv("KUBECONFIG", str(path))
    yield found
    found.stop()


def _own_namespace(admin: Admin) -> None:
    """Make the namespace, or refuse one that holds somebody's model."""
    found = admin.get(f"/api/v1/namespaces/{NAMESPACE}")
    if found is None:
        metadata = {"name": NAMESPACE, "labels": OURS}
        admin.create("/api/v1/namespaces", {"metadata": metadata})
    elif not OURS.items() <= found["metadata"].get("labels", {}).items():
        pytest.exit(f"namespace {NAMESPACE} was not made by these tests; they would empty it")


def _service_account(admin: Admin, rules: Rules) -> str:
    """Make a service account with a Role of these rules, and wait until the cluster knows."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    metadata = {"metadata": {"name": name}}
    admin.create(accounts, metadata)
    given = [{"apiGroups": [g], "resources": [r], "verbs": list(v)} for g, r, v in rules if v]
    admin.create(f"{rbac}/roles", metadata | {"rules": given})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]
    admin.create(f"{rbac}/rolebindings", metadata | {"roleRef": role, "subjects": subjects})
    answer = admin.create(f"{accounts}/{name}/token", {"spec": {"expirationSeconds": 3600}})
    _wait_for_rights(admin, f"system:serviceaccount:{NAMESPACE}:{name}", rules)
    token: str = answer["status"]["token"]
    return token


def _wait_for_rights(admin: Admin, user: str, rules: Rules) -> None:
    review = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    group, resource, verbs = next(rule for rule in reversed(rules) if rule[2])
    asked = {"namespace": NAMESPACE, "group": group, "resource": resource, "verb": verbs[-1]}
    spec = {"spec": {"user": user, "resourceAttributes": asked}}
    for _ in range(100):
        if admin.create(review, spec)["status"]["allowed"]:
            return
        time.sleep(0.05)
    raise ApiException(reason=f"{user} has no rights after 5 s")
