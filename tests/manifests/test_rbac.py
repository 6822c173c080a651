"""Who may ask the cluster's API what: exactly the requests that the code makes."""

from __future__ import annotations

from manifests.rendered import Body, kinds, label, named

from components.deployment.kserve import NAMESPACE
from components.deployment.kserve.api import RULES
from components.registry import MODEL
from pipelines.cluster import SERVICE_ACCOUNT

# KFP 2.17.0's driver and launcher: backend/src/v2/{config/env,driver/k8s,component/launcher_v2,
# objectstore/object_store}.go; Argo's executor reports its results.
LAUNCHER = {
    ("", "configmaps", ("kfp-launcher",), ("get",)),
    ("", "secrets", ("mlpipeline-minio-artifact",), ("get",)),
    ("", "pods", (), ("get",)),
    ("argoproj.io", "workflowtaskresults", (), ("create", "patch")),
}


def test_a_release_may_do_what_it_does(docs: list[Body]) -> None:
    role = named(docs, "Role", "readmission-release", NAMESPACE)
    wanted = {
        (group, plural, (MODEL,) if plural == "inferenceservices" else (), verbs)
        for group, plural, verbs in RULES
    }
    assert _rules(role) == wanted


def test_a_step_may_do_what_its_launcher_does(docs: list[Body]) -> None:
    assert _rules(named(docs, "Role", SERVICE_ACCOUNT, "kubeflow")) == LAUNCHER


def test_nobody_else_may_do_anything(docs: list[Body]) -> None:
    assert kinds(docs, "ClusterRole", "ClusterRoleBinding") == []
    assert {label(doc) for doc in kinds(docs, "Role")} == {
        f"Role kubeflow/{SERVICE_ACCOUNT}",
        f"Role {NAMESPACE}/readmission-release",
    }
    subject = {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": "kubeflow"}
    for binding in kinds(docs, "RoleBinding"):
        assert binding["subjects"] == [subject]
        role = (binding["roleRef"]["name"], binding["metadata"]["namespace"])
        named(docs, "Role", *role)


def test_the_steps_run_as_the_account_that_the_guard_lets_pass(docs: list[Body]) -> None:
    named(docs, "ServiceAccount", SERVICE_ACCOUNT, "kubeflow")
    (policy,) = kinds(docs, "ValidatingAdmissionPolicy")
    passed = policy["spec"]["matchConditions"][0]["expression"]
    assert f"'system:serviceaccount:kubeflow:{SERVICE_ACCOUNT}'" in passed


def _rules(role: Body) -> set[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    return {
        (group, plural, tuple(rule.get("resourceNames", ())), tuple(rule["verbs"]))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
