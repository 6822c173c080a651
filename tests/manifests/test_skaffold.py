"""skaffold.yaml: its schema, and what it builds, tests, deploys and verifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from manifests.conftest import Render
from manifests.rendered import MANIFESTS, OVERLAYS, ROOT, Body, label, smoke_job
from manifests.schemas import SCHEMAS

SCHEMA = SCHEMAS / "skaffold-v4beta14.json"
REWRITTEN = {
    "Pod",
    "DaemonSet.apps",
    "Deployment.apps",
    "StatefulSet.apps",
    "CronJob.batch",
    "Job.batch",
}
"""Kinds of which skaffold rewrites every image if it is not told more (TransformAllowlist in its
pkg/skaffold/kubernetes/manifest/visitor.go)."""


@pytest.fixture(scope="module")
def modules() -> dict[str, Body]:
    found = yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
    return {module["metadata"]["name"]: module for module in found}


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"{SCHEMA} is absent")
def test_each_module_passes_the_schema(modules: dict[str, Body]) -> None:
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    found = [
        f"{e.instance_path}: {e.message}"
        for m in modules.values()
        for e in validator.iter_errors(m)
    ]
    assert found == []


def test_there_are_two_and_ours_needs_the_platform(modules: dict[str, Body]) -> None:
    assert list(modules) == ["platform", "readmission"]
    assert modules["readmission"]["requires"] == [{"configs": ["platform"]}]


def test_the_inner_loop_leaves_the_platform_alone(modules: dict[str, Body]) -> None:
    (profile,) = modules["platform"]["profiles"]
    assert profile["activation"] == [{"command": "dev"}]
    removed = {patch["path"] for patch in profile["patches"] if patch["op"] == "remove"}
    assert removed == {"/manifests", "/deploy"}


def test_images_are_built_into_the_clusters_own_docker(modules: dict[str, Body]) -> None:
    build = modules["readmission"]["build"]
    assert build["local"] == {"push": False, "useBuildkit": True}
    assert build["tagPolicy"] == {"inputDigest": {}}
    files = {artifact["docker"]["dockerfile"] for artifact in build["artifacts"]}
    assert files == {"components/Dockerfile", "serving/Dockerfile"}


def test_every_image_is_tested(modules: dict[str, Body]) -> None:
    module = modules["readmission"]
    built = [artifact["image"] for artifact in module["build"]["artifacts"]]
    assert [test["image"] for test in module["test"]] == built
    for test in module["test"]:
        (custom,) = test["custom"]
        assert custom["command"].endswith("--self-test")


def test_the_runtimes_image_is_rewritten_and_the_endpoint_left_alone(
    modules: dict[str, Body],
) -> None:
    allowed = {e["groupKind"]: e for e in modules["readmission"]["resourceSelector"]["allow"]}
    runtime = allowed["ServingRuntime.serving.kserve.io"]
    assert runtime["image"] == [".spec.containers.*.image"]
    assert "labels" not in runtime
    assert not any(kind.startswith("InferenceService") for kind in allowed)


def test_every_image_that_is_built_is_rewritten(docs: list[Body], modules: dict[str, Body]) -> None:
    """By skaffold's reading of a path, in which ".*" stands for any element of a list."""
    module = modules["readmission"]
    allowed = {e["groupKind"]: e["image"] for e in module["resourceSelector"]["allow"]}
    built = tuple(f"{artifact['image']}:" for artifact in module["build"]["artifacts"])
    missed = []
    for doc in docs:
        kind = ".".join([doc["kind"], *doc["apiVersion"].split("/")[:-1]])
        paths = allowed.get(kind, [".*"] if kind in REWRITTEN else [])
        known = {path.replace(".*", "") for path in paths}
        missed += [
            f"{kind} {path}"
            for path, image in images(doc)
            if image.startswith(built) and ".*" not in paths and path not in known
        ]
    assert missed == []


def images(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field ``image`` with its path, without the indexes of lists."""
    if isinstance(value, list):
        for entry in value:
            yield from images(entry, path)
    elif isinstance(value, dict):
        for key, entry in value.items():
            if key == "image" and isinstance(entry, str):
                yield f"{path}.{key}", entry
            yield from images(entry, f"{path}.{key}")


def test_a_run_of_skaffold_restarts_nothing_that_did_not_change(modules: dict[str, Body]) -> None:
    """Its labels, with an id of each run, stay off the pods."""
    allowed = {e["groupKind"]: e for e in modules["readmission"]["resourceSelector"]["allow"]}
    for kind in ("Deployment.apps", "StatefulSet.apps", "CronJob.batch"):
        assert allowed[kind]["labels"] == [".metadata.labels"]
    (platform,) = modules["platform"]["resourceSelector"]["allow"]
    assert platform == allowed["Deployment.apps"]


def test_a_chart_that_changed_is_applied_again(modules: dict[str, Body]) -> None:
    """Skaffold leaves out a remote chart that is there, in whatever state, if it is not told."""
    helm = modules["platform"]["deploy"]["helm"]
    assert all(release["upgradeOnChange"] for release in helm["releases"])
    assert helm["flags"]["install"] == helm["flags"]["upgrade"] == ["--timeout=15m"]


def test_the_end_of_the_inner_loop_deletes_no_data(
    modules: dict[str, Body], render: Render, minikube: list[Body]
) -> None:
    """Skaffold deletes then what it deployed, and a namespace goes with all that is in it."""
    (profile,) = (
        profile
        for profile in modules["readmission"]["profiles"]
        if {"command": "dev"} in profile.get("activation", [])
    )
    (patch,) = profile["patches"]
    assert (patch["op"], patch["path"]) == ("replace", "/manifests/kustomize/paths/0")
    inner = {label(doc) for doc in render(Path(patch["value"]).name)}
    kept = {"Namespace", "PersistentVolumeClaim", "StatefulSet", "InferenceService"}
    assert inner == {label(doc) for doc in minikube if doc["kind"] not in kept}
    assert kept == {doc["kind"] for doc in minikube} & kept


def test_files_are_there(modules: dict[str, Body]) -> None:
    named = [
        *(path for m in modules.values() for path in m["manifests"]["kustomize"]["paths"]),
        *(
            path
            for release in modules["platform"]["deploy"]["helm"]["releases"]
            for path in release.get("valuesFiles", [])
        ),
        "manifests/overlays/ec2",
    ]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_overlay_is_applied_as_a_person_applies_it(modules: dict[str, Body]) -> None:
    """With another way of applying, the same fields would have two owners."""
    wanted = ["--server-side", "--force-conflicts"]
    text = (MANIFESTS / "overlays/minikube/kustomization.yaml").read_text()
    assert f"kubectl apply {' '.join(wanted)} -k manifests/overlays/minikube" in text
    for module in modules.values():
        assert module["deploy"]["kubectl"]["flags"]["apply"] == wanted


def test_what_verifies_is_the_smoke_job(modules: dict[str, Body]) -> None:
    (case,) = modules["readmission"]["verify"]
    path = case["executionMode"]["kubernetesCluster"]["jobManifestPath"]
    assert (ROOT / path).samefile(MANIFESTS / "base/pipelines/smoke-job.yaml")
    (container,) = smoke_job()["spec"]["template"]["spec"]["containers"]
    assert container["name"] == case["container"]["name"]
    assert container["command"] == case["container"]["command"]
    assert container["image"].startswith(f"{case['container']['image']}:")
    # skaffold writes into them without looking whether there are any.
    assert smoke_job()["metadata"]["labels"]


def test_the_registrys_tags_say_the_commit(modules: dict[str, Body]) -> None:
    profiles = {profile["name"]: profile for profile in modules["readmission"]["profiles"]}
    for name in ("ecr", "eks"):
        assert profiles[name]["build"]["local"]["push"] is True
        assert "gitCommit" in profiles[name]["build"]["tagPolicy"]


def test_each_overlay_but_the_first_has_a_profile(modules: dict[str, Body]) -> None:
    profiles = {profile["name"]: profile for profile in modules["readmission"]["profiles"]}
    for name in OVERLAYS[1:]:
        paths = profiles[name]["manifests"]["kustomize"]["paths"]
        assert paths == [f"manifests/overlays/{name}"]
    assert "build" not in profiles["ec2"]
