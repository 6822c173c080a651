"""Every object against the schema of its kind; an unknown field is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from manifests.rendered import Body, kinds, label, named, smoke_job
from manifests.schemas import SCHEMAS, errors, group, has_schema
from manifests.versions import versions

from components.deployment.kserve import manifest
from components.deployment.target import Revision

CORE = {
    "", "apps", "batch", "policy", "networking.k8s.io", "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io", "storage.k8s.io",
}  # fmt: skip
UNDEFINED = {"monitoring.coreos.com", "gateway.envoyproxy.io"}
"""Their kinds have no definition beside the project."""

needs_schemas = pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"{SCHEMAS} is absent")
REVISION = Revision("7", f"s3://bucket/bundles/sha256-{'0' * 64}", "run-1")


Core = Callable[[Body], list[str]]


@pytest.fixture
def core() -> Core:
    """Return a check of an object of Kubernetes' own kinds."""
    reason = "kubernetes-validate is not installed"
    library = pytest.importorskip("kubernetes_validate.utils", reason=reason)

    def core(doc: Body) -> list[str]:
        try:
            library.validate(doc, versions()["KUBERNETES_VERSION"], strict=True)
        except (library.ValidationError, library.SchemaNotFoundError) as error:
            return [f"{label(doc)}: {error.message}"]
        return []

    return core


def test_core_kinds_pass_the_schemas_of_the_pinned_kubernetes(docs: list[Body], core: Core) -> None:
    wrong = [found for doc in [*docs, smoke_job()] if group(doc) in CORE for found in core(doc)]
    assert wrong == []


@needs_schemas
def test_other_kinds_pass_their_own_definitions(docs: list[Body]) -> None:
    wrong = [f"{label(d)}: {error}" for d in docs if has_schema(d) for error in errors(d)]
    assert wrong == []


def test_every_kind_is_checked(docs: list[Body]) -> None:
    left = {group(doc) for doc in docs if group(doc) not in CORE and not has_schema(doc)}
    assert left <= UNDEFINED


@needs_schemas
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("InferenceService", ("spec", "predictor", "minReplica")),
        ("ServingRuntime", ("spec", "container")),
        ("Gateway", ("spec", "gatewayClass")),
    ],
)
def test_an_unknown_field_is_seen(minikube: list[Body], kind: str, path: tuple[str, ...]) -> None:
    doc = _with(kinds(minikube, kind)[0], path)
    assert any(path[-1] in error for error in errors(doc))


def test_an_unknown_field_of_a_core_kind_is_seen(minikube: list[Body], core: Core) -> None:
    doc = _with(named(minikube, "Deployment", "mlflow", "mlflow"), ("spec", "replica"))
    assert any("replica" in error for error in core(doc))


@needs_schemas
def test_a_revision_is_of_the_same_kind(minikube: list[Body]) -> None:
    frame = named(minikube, "InferenceService", "readmission", "serving")
    released = manifest.revision(REVISION)
    assert errors(released) == []
    assert errors(manifest.merged(frame, released)) == []


def _with(doc: Body, path: tuple[str, ...]) -> Body:
    *parents, last = path
    addition: Any = {last: "x"}
    for key in reversed(parents):
        addition = {key: addition}
    return manifest.merged(doc, addition)
