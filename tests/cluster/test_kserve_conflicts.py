"""Others change the InferenceService while a release goes on."""

from __future__ import annotations

import threading

import pytest
from cluster_admin import SERVICE, Admin
from cluster_person import client_side_apply, server_side_apply
from cluster_release import TIMEOUT_S, release, revision, spec
from faulty_cluster import FaultyCluster
from kserve_controller import Controller, Fault

from components.deployment.kserve import manifest
from components.deployment.kserve.target import KServeTarget
from components.deployment.target import Serving
from components.errors import ConflictError, HealthPredictError, VerificationError
from components.settings import Settings


def test_a_canary_that_a_person_made_is_theirs(target: KServeTarget, admin: Admin) -> None:
    release(target, 1)
    entry = manifest.canary(revision(9), "mine", {"modelFormat": {"name": "x"}})
    admin.merge(SERVICE, {"spec": {"canary": [entry]}})
    before = spec(admin)

    with pytest.raises(ConflictError, match=r'somebody .*\.spec\.canary.*"kubectl-edit"'):
        target.deploy(revision(2), TIMEOUT_S)
    with pytest.raises(ConflictError, match="somebody else applied the canary, it stays"):
        target.withdraw()
    target.withdraw("2")

    assert spec(admin) == before


def test_a_canary_that_a_person_applied_too_is_not_ended_for_them(
    target: KServeTarget, admin: Admin
) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    theirs = manifest.identified({"spec": {"canary": spec(admin)["canary"]}}, {})
    server_side_apply(admin, theirs)

    with pytest.raises(ConflictError, match=r"somebody else applied the canary, .* version 2"):
        target.withdraw("2")


def test_a_person_who_changes_the_share_meanwhile_is_named(
    target: KServeTarget, admin: Admin, front: FaultyCluster, cluster_settings: Settings
) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    entry = spec(admin)["canary"][0]

    def person(method: str, path: str) -> None:
        if method == "PATCH":
            admin.merge(SERVICE, {"spec": {"canary": [{**entry, "trafficPercent": 70}]}})

    front.after = person
    with pytest.raises(ConflictError, match=r"given 10 % .* somebody else gave it 70 %"):
        KServeTarget(cluster_settings).shift("2", 10)


def test_a_stable_version_that_changes_during_the_last_step_is_not_overwritten(
    target: KServeTarget, admin: Admin, front: FaultyCluster, cluster_settings: Settings
) -> None:
    release(target, 1)
    target.deploy(revision(3), TIMEOUT_S)
    target.shift("3", 100)

    def person(method: str, path: str) -> None:
        if method == "PATCH":
            front.heal()
            client_side_apply(admin, manifest.revision(revision(2)))

    front.before = person
    with pytest.raises(ConflictError, match=r"changed the stable version meanwhile; .* version 2"):
        KServeTarget(cluster_settings).finish("3")

    assert target.serving() == Serving(revision(2), revision(3), 100)
    target.finish("3")
    assert target.serving() == Serving(revision(3))


def test_a_change_that_does_not_matter_is_read_again(
    target: KServeTarget, admin: Admin, front: FaultyCluster, cluster_settings: Settings
) -> None:
    release(target, 1)
    seen: list[int] = []

    def person(method: str, path: str) -> None:
        if method == "PATCH" and len(seen) < 3:
            seen.append(1)
            admin.merge(SERVICE, {"metadata": {"labels": {"seen": str(len(seen))}}})

    front.before = person
    target = KServeTarget(cluster_settings)
    release(target, 2)

    assert len(seen) == 3
    assert target.serving() == Serving(revision(2))


def test_a_change_at_every_try_is_given_up(
    target: KServeTarget, admin: Admin, front: FaultyCluster, cluster_settings: Settings
) -> None:
    release(target, 1)
    seen: list[int] = []

    def person(method: str, path: str) -> None:
        if method == "PATCH":
            seen.append(1)
            admin.merge(SERVICE, {"metadata": {"labels": {"seen": str(len(seen))}}})

    front.before = person
    with pytest.raises(ConflictError, match="changed 10 times meanwhile"):
        KServeTarget(cluster_settings).deploy(revision(2), TIMEOUT_S)
    assert len(seen) == 10


def test_an_inference_service_that_is_deleted_meanwhile_is_not_made_again(
    creator: None,
    target: KServeTarget,
    admin: Admin,
    front: FaultyCluster,
    cluster_settings: Settings,
) -> None:
    release(target, 1)

    def person(method: str, path: str) -> None:
        if method == "PATCH":
            front.heal()
            admin.delete(SERVICE)

    target.deploy(revision(2), TIMEOUT_S)
    front.before = person
    with pytest.raises(HealthPredictError):
        KServeTarget(cluster_settings).shift("2", 10)
    assert admin.get(SERVICE) is None


def test_of_two_releases_at_once_the_later_one_goes_on(
    target: KServeTarget, cluster_settings: Settings
) -> None:
    release(target, 1)
    first, second = target, KServeTarget(cluster_settings)
    first.deploy(revision(2), TIMEOUT_S)
    second.deploy(revision(3, run="run-2"), TIMEOUT_S)

    for attempt in (lambda: first.shift("2", 10), lambda: first.finish("2")):
        with pytest.raises(VerificationError, match="the canary is version 3"):
            attempt()
    first.withdraw("2")
    second.shift("3", 100)
    second.finish("3")

    assert first.serving() == Serving(revision(3, run="run-2"))


def test_a_canary_that_is_replaced_while_it_starts_names_the_other(
    target: KServeTarget, admin: Admin, controller: Controller, cluster_settings: Settings
) -> None:
    release(target, 1)
    controller.faults["2"] = Fault()
    other = threading.Timer(
        0.3, lambda: KServeTarget(cluster_settings).deploy(revision(3), TIMEOUT_S)
    )
    other.start()

    with pytest.raises(ConflictError, match="version 2 does not serve; the canary is version 3"):
        target.deploy(revision(2), TIMEOUT_S)
    other.join()
