"""A canary that does not start, and a cluster that does not answer: one line says why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cluster_admin import Admin, Cluster
from cluster_release import TIMEOUT_S, deployment, release, revision, wait_until_gone
from faulty_cluster import FaultyCluster
from kserve_controller import Controller, Fault, warn

from components.deployment.kserve import api
from components.deployment.kserve import target as kserve_target
from components.deployment.kserve.api import RULES
from components.deployment.kserve.target import KServeTarget
from components.deployment.target import Serving
from components.errors import HealthPredictError, InputError
from components.registry import MODEL
from components.settings import Settings

PULL = Fault(
    {
        "name": "kserve-container",
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
    },
    warning=("Failed", "Failed to pull image\nreadmission:test"),
)
CRASH = Fault(
    {
        "name": "kserve-container",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    }
)
INIT = Fault(
    {
        "name": "storage-initializer",
        "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such bucket"}},
    },
    is_init=True,
)
CONFIG = Fault(
    {
        "name": "kserve-container",
        "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no secret x"}},
    }
)
SLOW = Fault(
    {"name": "kserve-container", "state": {"waiting": {"reason": "ContainerCreating"}}},
    warning=("FailedScheduling", "0/1 nodes are available: Insufficient memory."),
    conditions=[
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}
    ],
)
QUOTA = Fault(
    conditions=[
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "exceeded quota: serving",
        }
    ]
)
POD = "pod readmission-v2-predictor-pod"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            PULL,
            f"version 2 cannot start: {POD}: container kserve-container: ImagePullBackOff: "
            "no such image; events: Failed: Failed to pull image readmission:test",
        ),
        (
            CRASH,
            f"version 2 cannot start: {POD}: container kserve-container: CrashLoopBackOff: "
            "back-off 10s; it ended with exit code 137: OOMKilled",
        ),
        (
            INIT,
            f"version 2 cannot start: {POD}: container storage-initializer: it fetches the bundle "
            "and failed; it ended with exit code 1: Error: no such bucket",
        ),
        (
            CONFIG,
            f"version 2 cannot start: {POD}: container kserve-container: "
            "CreateContainerConfigError: no secret x",
        ),
    ],
    ids=["image", "crash", "init container", "secret"],
)
def test_a_pod_that_cannot_start_ends_the_wait_at_once(
    target: KServeTarget, admin: Admin, controller: Controller, fault: Fault, said: str
) -> None:
    release(target, 1)
    controller.faults["2"] = fault
    started = time.monotonic()

    with pytest.raises(HealthPredictError) as caught:
        target.deploy(revision(2), TIMEOUT_S)

    assert str(caught.value) == said
    assert time.monotonic() - started < TIMEOUT_S / 2
    assert target.serving() == Serving(revision(1), revision(2), 0)
    target.withdraw("2")
    wait_until_gone(admin, "v2")
    del controller.faults["2"]
    release(target, 2)
    assert target.serving() == Serving(revision(2))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            SLOW,
            f"after 0.4 s: version 2 is not ready: {POD} is not ready; PodScheduled: "
            "Unschedulable: no room; events: FailedScheduling: 0/1 nodes are available: "
            "Insufficient memory.",
        ),
        (
            QUOTA,
            "after 0.4 s: version 2 is not ready: 0 of 1 pods are available; ReplicaFailure: "
            "FailedCreate: exceeded quota: serving",
        ),
    ],
    ids=["unschedulable", "quota"],
)
def test_a_canary_that_is_not_ready_in_time_says_what_it_waits_for(
    target: KServeTarget, controller: Controller, fault: Fault, said: str
) -> None:
    release(target, 1)
    controller.faults["2"] = fault

    with pytest.raises(HealthPredictError) as caught:
        target.deploy(revision(2), 0.4)

    assert str(caught.value) == said


def test_without_kserve_at_work_the_deployment_is_missing(
    target: KServeTarget, admin: Admin, controller: Controller
) -> None:
    release(target, 1)
    controller.paused = True
    warn(admin, "InferenceService", MODEL, "InternalError", "no ServingRuntime readmission")

    with pytest.raises(HealthPredictError) as caught:
        target.deploy(revision(2), 0.2)

    assert str(caught.value) == (
        "after 0.2 s: version 2 is not ready: KServe has not made its Deployment "
        "readmission-v2-predictor; events: InternalError: no ServingRuntime readmission"
    )


def test_a_rollout_in_place_is_not_taken_for_ready(
    target: KServeTarget, admin: Admin, controller: Controller
) -> None:
    """The old pods keep a Deployment available, and the InferenceService ready."""
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    controller.paused = True

    with pytest.raises(HealthPredictError, match="has not made its Deployment"):
        target.deploy(revision(2, run="run-2"), 0.2)
    controller.faults["2"] = PULL
    controller.paused = False
    with pytest.raises(HealthPredictError, match="ImagePullBackOff"):
        target.deploy(revision(2, run="run-2"), TIMEOUT_S)
    assert deployment(admin, "v2")["status"]["availableReplicas"] == 1


def test_a_gateway_that_does_not_route_is_told(
    target: KServeTarget, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    controller.route_broken = True
    monkeypatch.setattr(kserve_target, "SETTLE_S", 0.3)

    with pytest.raises(HealthPredictError, match=r"not give version 2 10 % .*; IngressReady: Pred"):
        target.shift("2", 10)


def test_a_canary_that_still_gets_requests_is_not_taken_away(
    target: KServeTarget,
    admin: Admin,
    controller: Controller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While pods of the stable predictor are missing, KServe leaves the weights as they are."""
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    target.shift("2", 10)
    controller.faults["1"] = Fault(is_down=True)

    said = r"not give version 2 0 % .*; PredictorReady: Min"
    with monkeypatch.context() as patched:
        patched.setattr(kserve_target, "SETTLE_S", 0.3)
        with pytest.raises(HealthPredictError, match=said):
            target.withdraw("2")
    assert controller.weights["readmission-v2-predictor"] == 10
    assert deployment(admin, "v2")["status"]["availableReplicas"] == 1

    del controller.faults["1"]
    target.withdraw("2")
    wait_until_gone(admin, "v2")
    assert target.serving() == Serving(revision(1))


def test_a_token_that_is_not_valid_is_named(
    cluster: Cluster, kubeconfig: Path, cluster_settings: Settings
) -> None:
    cluster.kubeconfig(kubeconfig, "expired")

    with pytest.raises(HealthPredictError, match="the token has expired or is not valid; log in"):
        KServeTarget(cluster_settings).serving()


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_a_right_that_is_missing_is_named(
    cluster: Cluster, target: KServeTarget, kubeconfig: Path, cluster_settings: Settings, verb: str
) -> None:
    rights = tuple((g, r, tuple(v for v in verbs if v != verb)) for g, r, verbs in RULES)
    cluster.kubeconfig(kubeconfig, cluster.account(rights))

    with pytest.raises(HealthPredictError, match=f'cannot {verb} resource "inferenceservices"'):
        KServeTarget(cluster_settings).deploy(revision(1), TIMEOUT_S)


def test_a_cluster_that_is_down_is_told_at_once(
    cluster: Cluster, kubeconfig: Path, cluster_settings: Settings
) -> None:
    cluster.kubeconfig(kubeconfig, "any", "http://127.0.0.1:1")

    with pytest.raises(HealthPredictError, match=r"http://127.0.0.1:1 does not answer.*KUBECONFIG"):
        KServeTarget(cluster_settings).serving()


def test_a_cluster_that_hangs_is_given_up(
    front: FaultyCluster, cluster_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(method: str, path: str) -> None:
        front.ended.wait()

    monkeypatch.setattr(api, "TIMEOUT_S", (0.2, 0.2))
    front.before = hang
    started = time.monotonic()

    with pytest.raises(HealthPredictError, match=rf"{front.url} does not answer: .*timed out"):
        KServeTarget(cluster_settings).serving()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        (500, b'{"message": "etcd\\nis away"}', "answered 500: etcd is away"),
        (502, b"<html>bad gateway</html>", "answered 502: <html>bad gateway</html>"),
        (404, b"404 page not found\n", "404 page not found; is KServe installed"),
        (
            403,
            b'{"message": "admission webhook \\"kserve\\" denied the request: no"}',
            "KServe, or a policy of the cluster, refuses it: admission webhook",
        ),
    ],
)
def test_another_refusal_is_one_line(
    front: FaultyCluster, cluster_settings: Settings, code: int, body: bytes, said: str
) -> None:
    front.before = lambda method, path: (code, body)

    with pytest.raises(HealthPredictError) as caught:
        KServeTarget(cluster_settings).serving()

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("get inferenceservices readmission in serving: ")


@pytest.mark.parametrize("content", [None, "{", "kind: Config"])
def test_a_kubeconfig_that_is_none_is_named(
    tmp_path: Path, cluster_settings: Settings, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content, "utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))

    with pytest.raises(InputError, match=f"{path}: no cluster"):
        KServeTarget(cluster_settings)
