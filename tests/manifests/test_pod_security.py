"""What each pod of ours may do: as little as it can."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from manifests.pod_security import violations
from manifests.rendered import Body, containers, kinds, named, pods, predictor_pod

ASKS_THE_API = {"Job kubeflow/readmission-smoke-"}
NOT_OURS = {"storage-initializer"}


def test_every_pod_is_restricted(docs: list[Body]) -> None:
    found = [f"{owner}: {what}" for owner, _, pod in pods(docs) for what in violations(pod)]
    assert found == []


def test_our_namespaces_enforce_it(docs: list[Body]) -> None:
    for namespace in kinds(docs, "Namespace"):
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_container_writes_to_its_image(docs: list[Body]) -> None:
    writable = [
        f"{owner}: {container['name']}"
        for owner, _, pod in pods(docs)
        for container in containers(pod)
        if container["name"] not in NOT_OURS
        and container["securityContext"].get("readOnlyRootFilesystem") is not True
    ]
    assert writable == []


def test_users_are_numbers(docs: list[Body]) -> None:
    """Kubernetes cannot tell of a name whether it is root's."""
    for owner, _, pod in pods(docs):
        for container in containers(pod):
            if container["name"] not in NOT_OURS:
                context = {**pod["securityContext"], **container["securityContext"]}
                assert context["runAsUser"] > 0, owner


def test_no_pod_has_a_token_that_it_does_not_use(docs: list[Body]) -> None:
    having = {o for o, _, pod in pods(docs) if pod.get("automountServiceAccountToken") is not False}
    assert having == ASKS_THE_API


def test_no_pod_is_told_of_the_services_around_it(docs: list[Body]) -> None:
    """A Service named mlflow would set MLFLOW_PORT, which MLflow's command line reads."""
    assert [
        owner for owner, _, pod in pods(docs) if pod.get("enableServiceLinks") is not False
    ] == []


def test_images_are_not_pulled_again(docs: list[Body]) -> None:
    policies = {
        container.get("imagePullPolicy", "IfNotPresent")
        for _, _, pod in pods(docs)
        for container in containers(pod)
    }
    assert policies == {"IfNotPresent"}


def test_scratch_space_is_bounded(docs: list[Body]) -> None:
    unbounded = [
        f"{owner}: {volume['name']}"
        for owner, _, pod in pods(docs)
        for volume in pod.get("volumes", [])
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]
    ]
    assert unbounded == ["the predictor: kserve-provision-location"]


def _container(pod: Body) -> Body:
    found: Body = pod["containers"][0]["securityContext"]
    return found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pod: pod.update(hostNetwork=True),
        lambda pod: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        lambda pod: pod["securityContext"].update(runAsUser=0),
        lambda pod: pod["securityContext"].update(sysctls=[]),
        lambda pod: _container(pod).update(privileged=True),
        lambda pod: _container(pod).pop("allowPrivilegeEscalation"),
        lambda pod: _container(pod)["capabilities"].update(drop=["NET_RAW"]),
        lambda pod: _container(pod)["capabilities"].update(add=["SYS_ADMIN"]),
        lambda pod: _container(pod).update(runAsNonRoot=False),
        lambda pod: _container(pod).update(seccompProfile={"type": "Unconfined"}),
        lambda pod: _container(pod).update(procMount="Unmasked"),
        lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80),
    ],
)
def test_a_violation_is_seen(minikube: list[Body], spoil: Callable[[Body], object]) -> None:
    pod = copy.deepcopy(predictor_pod(minikube))
    assert violations(pod) == []
    spoil(pod)
    assert violations(pod) != []


def test_keys_of_the_object_store_are_kept_apart(minikube: list[Body]) -> None:
    """What fetches a bundle has a key of its own, which can write nothing."""
    steps, serving, registry = (
        named(minikube, "Secret", name, namespace)["data"]["AWS_ACCESS_KEY_ID"]
        for name, namespace in (
            ("health-predict-store", "kubeflow"),
            ("s3-serving", "serving"),
            ("s3-mlflow", "mlflow"),
        )
    )
    assert len({steps, serving, registry}) == 3
