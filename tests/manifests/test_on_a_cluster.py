"""The overlay on a real API server: applied, admitted, and guarded.

Everything goes to namespaces of these tests' own, so that the cluster may serve meanwhile.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from manifests.rendered import Body, kinds, label, named, pods

from components.deployment.kserve import FIRST_RELEASE, MANAGER, manifest
from components.deployment.kserve.api import RULES
from components.deployment.target import Revision
from pipelines.cluster import SERVICE_ACCOUNT

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        not os.environ.get("CLUSTER_TESTS_REQUIRED"),
        reason="CLUSTER_TESTS_REQUIRED is not set: make test-cluster",
    ),
]

NAMESPACES = ("kubeflow", "mlflow", "serving")
WHOLE = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
PERSON = "health-predict-revision"
FORCED = ("--server-side", "--force-conflicts")


@dataclass(frozen=True)
class Installed:
    """The overlay in namespaces with a suffix."""

    suffix: str
    docs: list[Body]

    def namespace(self, name: str) -> str:
        return f"{name}{self.suffix}"

    @property
    def endpoint(self) -> Body:
        return named(self.docs, "InferenceService", "readmission", self.namespace("serving"))

    @property
    def steps(self) -> str:
        return f"system:serviceaccount:{self.namespace('kubeflow')}:{SERVICE_ACCOUNT}"

    def moved(self, body: Body) -> Body:
        found: Body = _moved(body, self.suffix)
        return found

    def spec(self) -> Body:
        """Return the endpoint's spec as it stands."""
        found = kubectl("get", "inferenceservice", "readmission", "-o", "json", **self._serving)
        spec: Body = json.loads(found.stdout)["spec"]
        return spec

    def release(self, number: int, manager: str = MANAGER) -> None:
        """Do as the pipeline does."""
        spec = {"predictor": manifest.stable(revision(number), f"v{number}")}
        body = self.moved(manifest.identified({"spec": spec}, {}))
        flags = [*FORCED] if manager == MANAGER else ["--server-side"]
        done = apply([body], *flags, f"--field-manager={manager}", f"--as={self.steps}")
        assert done.returncode == 0, done.stderr

    @property
    def _serving(self) -> dict[str, str]:
        return {"namespace": self.namespace("serving")}


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest) -> Iterator[Installed]:
    suffix = f"-test-{uuid.uuid4().hex[:6]}"
    rendered = request.getfixturevalue("render")("minikube")
    docs = [_moved(doc, suffix) for doc in rendered]
    # The platform makes it.
    platform = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"kubeflow{suffix}"}}
    try:
        for bodies in ([platform], docs):
            done = apply(bodies, *FORCED)
            assert done.returncode == 0, done.stderr
        yield Installed(suffix, docs)
    finally:
        for doc in kinds(docs, *WHOLE):
            kubectl("delete", doc["kind"], doc["metadata"]["name"])
        kubectl("delete", "namespace", *(f"{n}{suffix}" for n in NAMESPACES), "--wait=false")


@pytest.fixture
def endpoint(installed: Installed) -> Installed:
    """Return the installation with an endpoint as before the first release."""
    namespace = installed.namespace("serving")
    kubectl("delete", "inferenceservice", "readmission", namespace=namespace)
    assert apply([installed.endpoint], *FORCED).returncode == 0
    return installed


def test_applying_again_changes_nothing(installed: Installed) -> None:
    done = apply(installed.docs, *FORCED, "--dry-run=server", "--output=json")
    assert done.returncode == 0, done.stderr
    again = {label(doc): doc for doc in json.loads(done.stdout)["items"]}
    for doc in installed.docs:
        arguments = [doc["kind"], doc["metadata"]["name"], "-o", "json"]
        live = json.loads(kubectl("get", *arguments, namespace=_namespace(doc)).stdout)
        assert live.get("spec") == again[label(doc)].get("spec"), label(doc)


def test_every_pod_is_admitted(installed: Installed) -> None:
    """By Pod Security, the limits and the quotas of the namespace."""
    refused = []
    for owner, namespace, pod in _pods(installed):
        spec = {key: value for key, value in pod.items() if key != "serviceAccountName"}
        claimed = _claims(pod)
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "try", "namespace": namespace},
            "spec": {**spec, "volumes": [*pod.get("volumes", []), *claimed]},
        }
        done = apply([body], "--server-side", "--dry-run=server")
        if done.returncode or "Warning" in done.stderr:
            refused.append(f"{owner}: {done.stderr}")
    assert refused == []


def test_a_privileged_pod_is_refused(installed: Installed) -> None:
    container = {"name": "x", "image": "x", "securityContext": {"privileged": True}}
    for name in ("mlflow", "serving"):
        metadata = {"name": "try", "namespace": installed.namespace(name)}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        done = apply([{**body, "spec": {"containers": [container]}}], "--dry-run=server")
        assert "violates PodSecurity" in done.stderr


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "delete"])
def test_a_step_may_do_what_the_code_does_and_no_more(installed: Installed, verb: str) -> None:
    for group, plural, verbs in RULES:
        name = "/readmission" if plural == "inferenceservices" else ""
        resource = f"{plural}.{group}{name}" if group else plural
        assert _may(installed, verb, resource, "serving") == (verb in verbs), resource
        assert not _may(installed, verb, resource, "mlflow")
    for resource in ("inferenceservices.serving.kserve.io/another", "secrets", "configmaps"):
        assert not _may(installed, verb, resource, "serving")


def test_a_step_reads_what_its_launcher_needs(installed: Installed) -> None:
    mine = {"configmaps/kfp-launcher", "secrets/mlpipeline-minio-artifact", "pods"}
    others = {"configmaps/another", "secrets/health-predict-store", "persistentvolumeclaims"}
    for resource in mine | others:
        assert _may(installed, "get", resource, "kubeflow") == (resource in mine), resource
        assert not _may(installed, "delete", resource, "kubeflow")


def test_the_manifests_leave_the_model_to_the_pipeline(endpoint: Installed) -> None:
    endpoint.release(1)
    before = endpoint.spec()
    for flags in (FORCED, ()):
        done = apply([endpoint.endpoint], *flags)
        assert done.returncode == 0, done.stderr
        assert endpoint.spec() == before
    assert before["predictor"]["model"]["args"] == ["--version=1"]
    assert before["predictor"]["minReplicas"] == 2


def test_a_person_and_the_pipeline_take_turns(endpoint: Installed) -> None:
    endpoint.release(1)
    person = endpoint.moved(manifest.revision(revision(2)))
    assert apply([person], *FORCED, f"--field-manager={PERSON}").returncode == 0
    assert apply([endpoint.endpoint], *FORCED).returncode == 0
    assert endpoint.spec()["predictor"]["model"]["args"] == ["--version=2"]
    assert endpoint.spec()["predictor"]["minReplicas"] == 2
    endpoint.release(3)
    assert apply([endpoint.endpoint], *FORCED).returncode == 0
    assert endpoint.spec()["predictor"]["model"]["args"] == ["--version=3"]


@pytest.mark.parametrize("flags", [FORCED, ()])
def test_a_revision_does_not_take_the_manifests_settings_away(
    endpoint: Installed, flags: tuple[str, ...]
) -> None:
    """Applied as the manifests are, it would: kubectl drops what the last apply held."""
    _start_with(endpoint, *flags)
    done = apply([endpoint.moved(manifest.revision(revision(1)))], *flags)
    assert done.returncode != 0
    assert f"--field-manager={PERSON}" in done.stderr
    assert endpoint.spec()["predictor"]["minReplicas"] == 2


def test_the_manifests_do_not_take_a_persons_model_away(endpoint: Installed) -> None:
    person = endpoint.moved(manifest.revision(revision(1)))
    assert apply([person]).returncode == 0
    done = apply([endpoint.endpoint], *FORCED)
    assert "would take the model away" in done.stderr
    assert endpoint.spec()["predictor"]["model"]["args"] == ["--version=1"]
    assert apply([person], *FORCED, f"--field-manager={PERSON}").returncode == 0
    done = apply([endpoint.endpoint], *FORCED)
    assert (done.returncode, done.stderr) == (0, "")
    assert endpoint.spec()["predictor"]["model"]["args"] == ["--version=1"]


def test_the_pipeline_may_take_a_first_release_back(endpoint: Installed) -> None:
    endpoint.release(1, FIRST_RELEASE)
    nothing = endpoint.moved(manifest.identified({}, {}))
    flags = ("--server-side", f"--field-manager={FIRST_RELEASE}", f"--as={endpoint.steps}")
    assert apply([nothing], *flags).returncode == 0
    assert "storageUri" not in endpoint.spec()["predictor"]["model"]


def test_the_predictor_runs(installed: Installed) -> None:
    """The runtime's container in a Deployment, on the bundle that its image holds."""
    namespace = installed.namespace("serving")
    pod = next(pod for owner, _, pod in _pods(installed) if owner == "the predictor")
    container = dict(pod["containers"][0])
    kept = [arg for arg in container["args"] if not arg.startswith("--bundle=")]
    container["args"] = [*kept, "--bundle=/app/serving/selftest_bundle"]
    container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] == "tmp"]
    labels = {"serving.kserve.io/inferenceservice": "readmission"}
    spec = {key: value for key, value in pod.items() if key != "initContainers"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "try", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**spec, "containers": [container]},
            },
        },
    }
    done = apply([body], "--server-side")
    assert (done.returncode, done.stderr) == (0, "")
    if not json.loads(kubectl("get", "nodes", "-o", "json").stdout)["items"]:
        pytest.skip("admitted; the cluster has no node to run it")
    done = kubectl("rollout", "status", "deployment/try", "--timeout=180s", namespace=namespace)
    assert done.returncode == 0, done.stderr


def revision(number: int) -> Revision:
    return Revision(str(number), f"s3://bucket/bundles/sha256-{number:064d}", "run-1")


def kubectl(
    *arguments: str, namespace: str = "", given: str = ""
) -> subprocess.CompletedProcess[str]:
    where = ["--namespace", namespace] if namespace else []
    command = ["kubectl", *where, *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=240)


def apply(bodies: list[Body], *flags: str) -> subprocess.CompletedProcess[str]:
    """Apply as a person does, and do not count what kubectl says of its own annotation."""
    done = kubectl("apply", *flags, "-f", "-", given=yaml.safe_dump_all(bodies))
    kept = [line for line in done.stderr.splitlines() if "last-applied-configuration" not in line]
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, "\n".join(kept))


def _start_with(endpoint: Installed, *flags: str) -> None:
    """Let kubectl know the endpoint in one way alone."""
    namespace = endpoint.namespace("serving")
    kubectl("delete", "inferenceservice", "readmission", namespace=namespace)
    assert apply([endpoint.endpoint], *flags).returncode == 0


def _may(installed: Installed, verb: str, resource: str, namespace: str) -> bool:
    where = installed.namespace(namespace)
    done = kubectl("auth", "can-i", verb, resource, f"--as={installed.steps}", namespace=where)
    assert done.stdout.strip() in ("yes", "no"), done.stderr
    return done.stdout.strip() == "yes"


def _pods(installed: Installed) -> Iterator[tuple[str, str, Body]]:
    original = [_moved(doc, "", installed.suffix) for doc in installed.docs]
    for owner, namespace, pod in pods(original):
        yield owner, installed.namespace(namespace), pod


def _claims(pod: Body) -> list[Body]:
    """Return what a StatefulSet's claims would be to the pod."""
    there = {volume["name"] for volume in pod.get("volumes", [])}
    mounted = {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", [])}
    return [{"name": name, "emptyDir": {}} for name in sorted(mounted - there)]


def _namespace(doc: Body) -> str:
    found: str = doc["metadata"].get("namespace", "")
    return found


def _moved(value: Any, suffix: str, drop: str = "") -> Any:
    """Return an object as it is in other namespaces; what is of the whole cluster gets a name."""
    if isinstance(value, list):
        return [_moved(part, suffix, drop) for part in value]
    if isinstance(value, str):
        # The account in an expression of the guard.
        return re.sub(r"(?<=:serviceaccount:)kubeflow", f"kubeflow{suffix}", value)
    if not isinstance(value, dict):
        return value
    body = {key: _moved(part, suffix, drop) for key, part in value.items()}
    kind = body.get("kind")
    for key in ("namespace", "kubernetes.io/metadata.name"):
        if isinstance(body.get(key), str):
            body[key] = _renamed(body[key], suffix, drop)
    if kind in ("Namespace", *WHOLE) and "metadata" in body:
        body["metadata"]["name"] = _renamed(body["metadata"]["name"], suffix, drop, every=True)
        if "policyName" in body.get("spec", {}):
            body["spec"]["policyName"] = body["metadata"]["name"]
    return body


def _renamed(name: str, suffix: str, drop: str, every: bool = False) -> str:
    bare = name.removesuffix(drop) if drop else name
    return f"{bare}{suffix}" if every or bare in NAMESPACES else bare
