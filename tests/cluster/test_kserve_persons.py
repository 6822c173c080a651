"""A person and the pipeline change the same InferenceService."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable

import pytest
import yaml
from cluster_admin import SERVICE, Admin, Body, Cluster
from cluster_person import client_side_apply, server_side_apply
from cluster_release import SKELETON, TIMEOUT_S, deployment, release, revision, spec

from components.deployment.kserve import manifest
from components.deployment.kserve.target import KServeTarget
from components.deployment.target import Revision, Serving

Apply = Callable[[Admin, Body], None]
WAYS = pytest.mark.parametrize("apply", [client_side_apply, server_side_apply])


@WAYS
def test_a_revision_that_a_person_applied_is_what_serves(
    target: KServeTarget, admin: Admin, apply: Apply
) -> None:
    release(target, 1)
    release(target, 2)
    mine = revision(1, run="by-hand")

    apply(admin, manifest.revision(mine))

    assert target.serving() == Serving(mine)
    target.deploy(mine, TIMEOUT_S)  # waits until it runs
    pods = deployment(admin, "v2")["spec"]["template"]
    assert pods["metadata"]["annotations"]["health-predict/version"] == "1"
    assert target.url_of("1") == "http://readmission-v2-predictor.serving.test"
    assert spec(admin)["predictor"]["minReplicas"] == 2


@WAYS
def test_a_first_revision_may_be_applied_by_a_person(
    target: KServeTarget, admin: Admin, apply: Apply
) -> None:
    apply(admin, manifest.revision(revision(1)))

    assert target.serving() == Serving(revision(1))
    target.withdraw()
    release(target, 2)
    assert target.serving() == Serving(revision(2))


@WAYS
def test_a_release_takes_the_model_over_from_a_person_and_nothing_else(
    target: KServeTarget, admin: Admin, apply: Apply
) -> None:
    release(target, 1)
    theirs = manifest.revision(revision(2))
    theirs["spec"]["predictor"] |= {"minReplicas": 3, "timeout": 30}
    theirs["spec"]["predictor"]["model"]["resources"] = {"limits": {"memory": "2Gi"}}
    theirs["spec"]["predictor"]["model"]["env"] = [{"name": "OMP_NUM_THREADS", "value": "1"}]
    theirs["spec"]["predictor"]["annotations"]["example.org/owner"] = "ward-7"
    apply(admin, theirs)

    target.deploy(revision(3), TIMEOUT_S)
    target.shift("3", 100)
    canary = deployment(admin, "v3")["spec"]
    target.finish("3")

    assert target.serving() == Serving(revision(3))
    assert deployment(admin, "v3")["spec"]["template"] == canary["template"]
    assert canary["replicas"] == 3
    predictor, wanted = spec(admin)["predictor"], theirs["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["timeout"]) == (3, 30)
    for key in ("resources", "env", "runtime", "modelFormat"):
        assert predictor["model"][key] == wanted["model"][key]
    assert predictor["annotations"]["example.org/owner"] == "ward-7"


@WAYS
def test_a_person_may_apply_a_revision_again_and_again(
    target: KServeTarget, admin: Admin, apply: Apply
) -> None:
    for number in (1, 3, 5):
        release(target, number)
        apply(admin, manifest.revision(revision(number + 1)))
        assert target.serving() == Serving(revision(number + 1))


def test_the_manifests_may_be_applied_again_at_any_time(target: KServeTarget, admin: Admin) -> None:
    release(target, 1)
    admin.apply(SKELETON, "kubectl")
    assert target.serving() == Serving(revision(1))
    target.deploy(revision(2), TIMEOUT_S)
    admin.apply(SKELETON, "kubectl")
    assert target.serving() == Serving(revision(1), revision(2), 0)

    more = {**SKELETON, "spec": {"predictor": {**SKELETON["spec"]["predictor"], "minReplicas": 4}}}
    admin.apply(more, "kubectl")
    target.shift("2", 60)
    assert deployment(admin, "v2")["spec"]["replicas"] == 3


def test_a_model_that_was_edited_by_hand_has_no_version(target: KServeTarget, admin: Admin) -> None:
    release(target, 1)
    uri = revision(2).bundle_uri

    admin.merge(SERVICE, {"spec": {"predictor": {"model": {"storageUri": uri}}}})

    assert target.serving() == Serving(Revision("", uri, ""))


def test_a_stable_version_without_our_annotations_can_be_replaced(
    target: KServeTarget, admin: Admin
) -> None:
    theirs = manifest.revision(revision(1))
    del theirs["spec"]["predictor"]["annotations"]
    server_side_apply(admin, theirs)
    assert target.serving() == Serving(Revision("", revision(1).bundle_uri, ""))

    release(target, 2)

    assert target.serving() == Serving(revision(2))


def test_a_canary_of_a_version_whose_name_the_stable_one_has_gets_another(
    target: KServeTarget, admin: Admin
) -> None:
    release(target, 2)
    client_side_apply(admin, manifest.revision(revision(1)))

    release(target, 2)

    assert target.serving() == Serving(revision(2))
    assert target.url_of("2") == "http://readmission-v2-again-predictor.serving.test"


def test_the_command_for_a_person_applies_a_revision(
    target: KServeTarget, admin: Admin, cluster: Cluster
) -> None:
    if not cluster.is_real or not shutil.which("kubectl"):
        pytest.skip("needs a real API server and kubectl")
    release(target, 1)
    text = yaml.safe_dump(manifest.revision(revision(2)))

    for _ in range(2):
        command = shlex.split(manifest.APPLY_REVISION)
        subprocess.run(command, input=text, check=True, text=True, capture_output=True)
        admin.apply(SKELETON, "kubectl")

    assert target.serving() == Serving(revision(2))
    assert spec(admin)["predictor"]["minReplicas"] == 2
