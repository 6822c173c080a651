"""What a release relies on in server-side apply; the fake API server must do as a real one does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cluster_admin import SERVICE, Admin, Body
from cluster_release import SKELETON
from kubernetes.client import ApiException

from components.deployment.kserve.manifest import identified

THEIR_PODS = {"spec": {"predictor": {"minReplicas": 3}}}
NAMED = {"spec": {"predictor": {"name": "a", "model": {"args": ["--a"], "storageUri": "s3://a"}}}}


def _apply(admin: Admin, body: Body, manager: str, force: bool = False) -> Body:
    return admin.apply(identified(body, {}), manager, force)


def _refused(admin: Admin, body: Body, manager: str, **place: str) -> Body:
    with pytest.raises(ApiException) as caught:
        admin.apply(identified(body, place), manager)
    status: Body = json.loads(caught.value.body)
    assert status["code"] == caught.value.status
    return status


def _model(admin: Admin) -> Any:
    return admin.there(SERVICE)["spec"]["predictor"]["model"]


def test_a_field_of_another_manager_is_refused_and_named(admin: Admin) -> None:
    status = _refused(admin, THEIR_PODS, "me")

    assert (status["code"], status["reason"]) == (409, "Conflict")
    (cause,) = status["details"]["causes"]
    assert cause == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl"',
        "field": ".spec.predictor.minReplicas",
    }


def test_a_forced_apply_takes_its_fields_and_no_others(admin: Admin) -> None:
    _apply(admin, THEIR_PODS, "me", force=True)

    status = _refused(admin, SKELETON, "kubectl")
    assert [cause["field"] for cause in status["details"]["causes"]] == [
        ".spec.predictor.minReplicas"
    ]


def test_the_same_value_may_have_two_owners(admin: Admin) -> None:
    _apply(admin, NAMED, "me")
    _apply(admin, NAMED, "you")
    _apply(admin, {}, "me")
    assert _model(admin)["storageUri"] == "s3://a"

    _apply(admin, {}, "you")

    assert admin.there(SERVICE)["spec"] == SKELETON["spec"]


def test_what_its_owner_leaves_out_is_removed(admin: Admin) -> None:
    _apply(admin, NAMED, "me")

    _apply(admin, {"spec": {"predictor": {"name": "a"}}}, "me")

    assert set(_model(admin)) == {"modelFormat", "runtime"}


def test_an_update_takes_what_it_changes(admin: Admin) -> None:
    _apply(admin, NAMED, "me")
    admin.merge(SERVICE, {"spec": {"predictor": {"model": {"storageUri": "s3://b"}}}}, "you")

    status = _refused(admin, NAMED, "me")
    (cause,) = status["details"]["causes"]
    assert cause["message"].startswith('conflict with "you"')
    _apply(admin, {}, "me")
    assert _model(admin)["storageUri"] == "s3://b"
    assert "args" not in _model(admin)


def test_a_list_has_one_owner_but_variables_are_known_by_name(admin: Admin) -> None:
    def with_env(name: str) -> Body:
        return {"spec": {"predictor": {"model": {"env": [{"name": name, "value": "1"}]}}}}

    _apply(admin, NAMED | with_env("A"), "me")
    _apply(admin, with_env("B"), "you")
    assert [found["name"] for found in _model(admin)["env"]] == ["A", "B"]
    _apply(admin, {}, "me")
    assert [found["name"] for found in _model(admin)["env"]] == ["B"]

    _apply(admin, NAMED, "me")
    other = {"spec": {"predictor": {"model": {"args": ["--a", "--b"]}}}}
    status = _refused(admin, other, "you")
    assert status["details"]["causes"][0]["field"] == ".spec.predictor.model.args"


def test_an_old_resource_version_is_refused_without_a_cause(admin: Admin) -> None:
    before = admin.there(SERVICE)["metadata"]
    _apply(admin, NAMED, "me")

    status = _refused(admin, NAMED, "me", resourceVersion=before["resourceVersion"])

    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert "causes" not in status["details"]
    assert "the object has been modified" in status["message"]


def test_an_object_that_is_gone_is_not_made_again_by_its_uid(admin: Admin) -> None:
    uid = admin.there(SERVICE)["metadata"]["uid"]
    admin.delete(SERVICE)

    status = _refused(admin, SKELETON, "me", uid=uid)

    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert "causes" not in status["details"]
    assert admin.get(SERVICE) is None


def test_only_a_change_is_a_new_version(admin: Admin) -> None:
    before = _apply(admin, NAMED, "me")["metadata"]
    assert _apply(admin, NAMED, "me")["metadata"]["resourceVersion"] == before["resourceVersion"]

    admin.merge(f"{SERVICE}/status", {"status": {"url": "http://x"}})
    after = admin.there(SERVICE)["metadata"]
    assert after["resourceVersion"] != before["resourceVersion"]
    assert after["generation"] == before["generation"]
    admin.merge(SERVICE, {"status": {"url": "http://y"}, "spec": {"predictor": {"timeout": 3}}})
    found = admin.there(SERVICE)
    assert found["status"]["url"] == "http://x"
    assert found["metadata"]["generation"] == before["generation"] + 1


def test_a_canary_without_a_name_in_its_model_is_invalid(admin: Admin) -> None:
    predictor = {"name": "b", "model": {"modelFormat": {"name": "readmission"}}}
    entry = {"trafficPercent": 0, "predictor": predictor}

    status = _refused(admin, {"spec": {"canary": [entry]}}, "me")

    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert "spec.canary[0].predictor.model.name: Required value" in status["message"]


def test_what_is_not_there_is_told_from_what_is_unknown(admin: Admin) -> None:
    def body_of(path: str) -> str:
        with pytest.raises(ApiException) as caught:
            admin.call("GET", path)
        assert caught.value.status == 404
        return str(caught.value.body)

    assert json.loads(body_of(f"{SERVICE}-2"))["reason"] == "NotFound"
    assert body_of(SERVICE.replace("serving.kserve.io", "nothing.example.org")) == (
        "404 page not found\n"
    )
