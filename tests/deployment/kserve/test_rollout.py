"""When a Deployment runs what it is to run, and which of its pods say why it does not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from components.deployment.kserve.api import Api
from components.deployment.kserve.live import Predictor
from components.deployment.kserve.manifest import Body, merged
from components.deployment.kserve.rollout import SOURCE, failure, is_complete, service_of
from components.deployment.target import Revision

SEVEN = Predictor("v7", Revision("7", "s3://bundles/sha256-7", "run-1"), 2)
NOTES = {
    "health-predict/version": "7",
    "health-predict/run-id": "run-1",
    SOURCE: "s3://bundles/sha256-7",
}
BORN = "2026-01-01T00:00:10Z"
DEPLOYMENT: Body = {
    "metadata": {"generation": 3, "creationTimestamp": BORN},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "isvc.readmission-v7-predictor"}},
        "template": {"metadata": {"annotations": NOTES}},
    },
    "status": {
        "observedGeneration": 3,
        "replicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
    },
}
POD: Body = {
    "metadata": {"name": "pod-1", "creationTimestamp": BORN, "annotations": NOTES},
    "status": {
        "containerStatuses": [
            {"name": "kserve-container", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        ]
    },
}


class Pods:
    """Answers the two questions that :func:`failure` has."""

    def __init__(self, *pods: Body) -> None:
        self._found = list(pods)

    def pods(self, labels: dict[str, str]) -> list[Body]:
        assert labels == {"app": "isvc.readmission-v7-predictor"}
        return self._found

    def warnings(self, kind: str, name: str) -> list[Body]:
        return []


def test_a_deployment_whose_pods_all_run_the_model_is_complete() -> None:
    assert is_complete(DEPLOYMENT, SEVEN, 2)
    assert is_complete(DEPLOYMENT, SEVEN, 1)


def _status(**changes: int) -> Body:
    return {"status": changes}


def _annotated(key: str, value: str) -> Body:
    return {"spec": {"template": {"metadata": {"annotations": {key: value}}}}}


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"generation": 4}},
        {"spec": {"replicas": 1}} | _status(replicas=1, updatedReplicas=1, availableReplicas=1),
        _status(replicas=3),
        _status(updatedReplicas=1),
        _status(availableReplicas=1),
        _annotated("health-predict/version", "6"),
        _annotated("health-predict/run-id", "run-0"),
        _annotated(SOURCE, "s3://bundles/sha256-6"),
    ],
    ids=[
        "not seen by its controller",
        "fewer pods than wanted",
        "old pods are still there",
        "not all pods are new",
        "not all pods are available",
        "another version",
        "another run",
        "another bundle",
    ],
)
def test_a_deployment_on_its_way_is_not_complete(change: Body) -> None:
    assert not is_complete(merged(DEPLOYMENT, change), SEVEN, 2)


def test_a_new_deployment_without_a_status_is_not_complete() -> None:
    assert not is_complete({**DEPLOYMENT, "status": {}}, SEVEN, 2)


def test_a_pod_of_the_rollout_tells_why_it_fails() -> None:
    said = failure(_api(POD), DEPLOYMENT, SEVEN)

    assert said == "pod pod-1: container kserve-container: CrashLoopBackOff"


@pytest.mark.parametrize(
    "metadata",
    [
        {"deletionTimestamp": "2026-01-01T00:00:20Z"},
        {"creationTimestamp": "2026-01-01T00:00:09Z"},
        {"annotations": {"health-predict/version": "6"}},
    ],
    ids=["on its way out", "of an earlier Deployment of this name", "of another version"],
)
def test_a_pod_of_an_earlier_rollout_tells_nothing(metadata: Body) -> None:
    assert failure(_api(merged(POD, {"metadata": metadata})), DEPLOYMENT, SEVEN) == ""


@pytest.mark.parametrize(
    "state",
    [
        {"waiting": {"reason": "ContainerCreating"}},
        {"waiting": {"reason": "ErrImagePull"}},
        {"running": {}},
        {"terminated": {"exitCode": 1}},
    ],
)
def test_a_container_that_may_still_start_is_waited_for(state: dict[str, Any]) -> None:
    pod = {**POD, "status": {"containerStatuses": [{"name": "kserve-container", "state": state}]}}

    assert failure(_api(pod), DEPLOYMENT, SEVEN) == ""


def test_a_predictor_without_a_name_has_the_shorter_service() -> None:
    assert service_of(SEVEN) == "readmission-v7-predictor"
    assert service_of(Predictor("", SEVEN.revision, 1)) == "readmission-predictor"


def _api(*pods: Body) -> Api:
    return cast(Api, Pods(*pods))
