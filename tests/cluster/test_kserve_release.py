"""A release to an InferenceService, from the first one on."""

from __future__ import annotations

import pytest
from cluster_admin import DEPLOYMENTS, SERVICE, SERVICES, Admin
from cluster_release import TIMEOUT_S, deployment, release, revision, spec
from kserve_controller import URL, Controller

from components.deployment.kserve.target import KServeTarget
from components.deployment.target import Serving
from components.errors import HealthPredictError, InputError, VerificationError
from components.settings import Settings


def test_nothing_serves_before_the_first_release(target: KServeTarget, admin: Admin) -> None:
    assert target.serving() == Serving(None)
    admin.delete(SERVICE)
    assert target.serving() == Serving(None)


def test_a_first_release_answers_everything_and_is_stable_when_finished(
    target: KServeTarget, controller: Controller
) -> None:
    url = target.deploy(revision(1), TIMEOUT_S)

    assert url == "http://readmission-v1-predictor.serving.test"
    assert target.url_of("1") == url
    assert target.serving() == Serving(None, revision(1), 100)
    target.shift("1", 100)
    assert target.finish("1") == URL
    assert target.serving() == Serving(revision(1))
    assert controller.restarts["readmission-v1-predictor"] == 0
    assert controller.weights == {"readmission-v1-predictor": 100}


def test_a_canary_takes_the_requests_over_without_a_restart(
    target: KServeTarget, admin: Admin, controller: Controller
) -> None:
    release(target, 1)
    stable = deployment(admin, "v1")["spec"]

    url = target.deploy(revision(2), TIMEOUT_S)

    assert url == "http://readmission-v2-predictor.serving.test"
    assert target.serving() == Serving(revision(1), revision(2), 0)
    assert deployment(admin, "v1")["spec"]["template"] == stable["template"]
    canary = deployment(admin, "v2")
    for percent, pods in ((10, 1), (50, 1), (100, 2)):
        target.shift("2", percent)
        assert target.serving() == Serving(revision(1), revision(2), percent)
        assert controller.weights["readmission-v2-predictor"] == percent
        assert deployment(admin, "v2")["spec"]["replicas"] == pods
    assert target.finish("2") == URL

    now = deployment(admin, "v2")
    assert now["metadata"]["uid"] == canary["metadata"]["uid"]
    assert now["spec"]["template"] == canary["spec"]["template"]
    assert controller.restarts["readmission-v2-predictor"] == 0
    assert target.serving() == Serving(revision(2))
    assert target.url_of("2") == url
    assert admin.get(f"{DEPLOYMENTS}/readmission-v1-predictor") is None
    assert "canary" not in spec(admin)


def test_the_manifests_keep_what_is_theirs(target: KServeTarget, admin: Admin) -> None:
    for number in (1, 2, 3):
        release(target, number)

    predictor = spec(admin)["predictor"]
    assert predictor["minReplicas"] == 2
    assert predictor["model"]["runtime"] == "readmission"
    assert predictor["model"]["args"] == ["--version=3"]
    assert predictor["name"] == "v3"


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_withdrawn_canary_gives_its_requests_back_first(
    target: KServeTarget, admin: Admin, controller: Controller, percent: int
) -> None:
    release(target, 1)
    before = spec(admin)
    target.deploy(revision(2), TIMEOUT_S)
    target.shift("2", percent)

    target.withdraw("2")

    assert spec(admin) == before
    assert target.serving() == Serving(revision(1))


def test_a_canary_of_another_version_is_left_alone(target: KServeTarget) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)

    target.withdraw("3")

    assert target.serving() == Serving(revision(1), revision(2), 0)
    target.withdraw()
    target.withdraw()
    assert target.serving() == Serving(revision(1))


def test_the_next_canary_takes_the_place_of_one_that_answers_requests(target: KServeTarget) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    target.shift("2", 50)

    target.deploy(revision(3), TIMEOUT_S)

    assert target.serving() == Serving(revision(1), revision(3), 0)
    with pytest.raises(VerificationError, match=r"version 2 is not the canary; .* version 3"):
        target.shift("2", 100)
    with pytest.raises(VerificationError, match=r"version 2 is not the canary; .* version 3"):
        target.finish("2")
    with pytest.raises(VerificationError, match=r"version 2 does not serve; .* version 3"):
        target.url_of("2")


def test_a_canary_that_shares_the_requests_does_not_become_stable(target: KServeTarget) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    target.shift("2", 50)

    with pytest.raises(VerificationError, match="version 2 answers 50 % of the requests"):
        target.finish("2")

    assert target.serving() == Serving(revision(1), revision(2), 50)


def test_each_call_may_be_made_again(target: KServeTarget, controller: Controller) -> None:
    for number in (1, 2):
        for _ in range(2):
            target.deploy(revision(number), TIMEOUT_S)
        for _ in range(2):
            target.shift(str(number), 100)
        for _ in range(2):
            assert target.finish(str(number)) == URL
    assert target.serving() == Serving(revision(2))
    assert target.deploy(revision(2), TIMEOUT_S) == target.url_of("2")
    assert target.serving() == Serving(revision(2))
    assert set(controller.restarts.values()) == {0}


def test_a_deployed_canary_that_answered_requests_starts_again_at_none(
    target: KServeTarget,
) -> None:
    release(target, 1)
    target.deploy(revision(2), TIMEOUT_S)
    target.shift("2", 50)

    target.deploy(revision(2, run="run-2"), TIMEOUT_S)

    assert target.serving() == Serving(revision(1), revision(2, run="run-2"), 0)


def test_a_first_release_is_taken_back_to_the_manifests(target: KServeTarget, admin: Admin) -> None:
    before = spec(admin)
    target.deploy(revision(1), TIMEOUT_S)

    target.withdraw("1")

    assert spec(admin) == before
    assert target.serving() == Serving(None)


def test_a_finished_first_release_is_not_taken_back(target: KServeTarget) -> None:
    release(target, 1)

    target.withdraw("1")
    target.withdraw()

    assert target.serving() == Serving(revision(1))


def test_another_first_release_takes_the_place_of_an_unfinished_one(target: KServeTarget) -> None:
    target.deploy(revision(1), TIMEOUT_S)

    target.deploy(revision(2), TIMEOUT_S)

    assert target.serving() == Serving(None, revision(2), 100)
    with pytest.raises(VerificationError, match=r"version 1 is not the canary; .* version 2"):
        target.finish("1")
    target.finish("2")
    release(target, 3)
    assert target.serving() == Serving(revision(3))


def test_going_back_is_a_release_too(target: KServeTarget) -> None:
    release(target, 1)
    release(target, 2)
    release(target, 1)

    assert target.serving() == Serving(revision(1))


def test_the_model_that_serves_is_not_released_in_its_own_place(target: KServeTarget) -> None:
    release(target, 1)

    with pytest.raises(InputError, match="version 2 has the bundle that version 1 serves already"):
        target.deploy(revision(2, bundle="1"), TIMEOUT_S)


def test_without_the_manifests_the_steps_say_so(target: KServeTarget, admin: Admin) -> None:
    admin.delete(SERVICE)

    with pytest.raises(HealthPredictError, match="may not create it; apply the manifests first"):
        target.deploy(revision(1), TIMEOUT_S)

    assert admin.items(SERVICES) == []


def test_an_account_that_may_create_needs_no_manifests(
    creator: None, admin: Admin, controller: Controller, cluster_settings: Settings
) -> None:
    target = KServeTarget(cluster_settings)
    admin.delete(SERVICE)

    release(target, 1)
    release(target, 2)

    assert target.serving() == Serving(revision(2))
    live = admin.there(SERVICE)
    assert live["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert live["spec"]["predictor"]["model"]["runtime"] == "readmission"
