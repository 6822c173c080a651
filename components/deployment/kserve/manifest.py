"""What is applied: the whole of a revision, and the parts that a release owns."""

from __future__ import annotations

import math
import re
from typing import Any

from components.deployment.kserve import NAMESPACE
from components.deployment.target import Revision
from components.errors import InputError
from components.registry import MODEL

VERSION = "health-predict/version"
RUN_ID = "health-predict/run-id"
BUNDLE = "health-predict/bundle"
API_VERSION = "serving.kserve.io/v1beta1"
STANDARD = {
    "serving.kserve.io/deploymentMode": "Standard",
    "serving.kserve.io/autoscalerClass": "none",
}
APPLY_REVISION = (
    "kubectl apply --server-side --force-conflicts --field-manager=health-predict-revision -f -"
)
"""How a person applies a revision.

The field manager must be another one than that of the manifests: what an owner leaves out of what
it applies is removed, so that they would take the model away, and the revision their replicas.
"""
_DIGEST = re.compile(r"sha256-([0-9a-f]{64})/?$")
_FORMAT = {"name": MODEL}

Body = dict[str, Any]


def revision(wanted: Revision) -> Body:
    """Return the whole InferenceService of a version, for a person to apply.

    It has no ``predictor.name``: KServe deletes the Deployment of the old name before that of a
    new one is ready, and updates the Deployment of a name that stays pod by pod.

    Raises:
        InputError: the version's bundle is not in a store that keeps it by its content.
    """
    model = {"modelFormat": _FORMAT, "runtime": MODEL, **_model(wanted)}
    head = identified({}, {"annotations": STANDARD})
    return head | {"spec": {"predictor": {"annotations": _notes(wanted), "model": model}}}


def identified(body: Body, metadata: Body) -> Body:
    """Return a body with what names the object, and with more metadata."""
    known = {"name": MODEL, "namespace": NAMESPACE, **body.get("metadata", {}), **metadata}
    head = {"apiVersion": API_VERSION, "kind": "InferenceService", "metadata": known}
    return {**body, **head}


def stable(wanted: Revision, name: str) -> Body:
    """Return the stable predictor's fields that a release owns."""
    return {"name": name, "annotations": _notes(wanted), "model": _model(wanted)}


def canary(wanted: Revision, name: str, inherited: Body) -> Body:
    """Return an entry of ``spec.canary`` that gets no request yet.

    KServe merges it over the stable predictor, so it says only what differs; the same content then
    gives the same pods when it becomes stable.

    Args:
        wanted: what it serves.
        name: the predictor's name.
        inherited: the stable predictor's model; the schema wants its format here too.
    """
    # An empty name is what KServe fills in: the schema requires one, and refuses none.
    model = {"name": "", "modelFormat": inherited.get("modelFormat", _FORMAT), **_model(wanted)}
    predictor = {"name": name, "minReplicas": 1, "annotations": _notes(wanted), "model": model}
    return {"trafficPercent": 0, "predictor": predictor}


def weighed(entry: Body, percent: int, replicas: int) -> Body:
    """Return an entry of ``spec.canary`` with another share and number of pods."""
    predictor = {**entry["predictor"], "minReplicas": replicas}
    return {**entry, "trafficPercent": percent, "predictor": predictor}


def merged(body: Body, over: Body) -> Body:
    """Return a body with another laid over it; lists are replaced."""
    both = dict(body)
    for key, value in over.items():
        inner = both.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = merged(inner, value)
        both[key] = value
    return both


def without_canary(body: Body) -> Body:
    """Return a body without the canary."""
    return _without(body, ("spec", "canary"))


def without_model(body: Body) -> Body:
    """Return a body without the model that the stable predictor serves."""
    for path in (("name",), ("annotations",), ("model", "storageUri"), ("model", "args")):
        body = _without(body, ("spec", "predictor", *path))
    return body


def replicas_at(percent: int, stable_replicas: int) -> int:
    """Return the canary's pods: its share of the stable version's number, and at least one."""
    return max(1, math.ceil(stable_replicas * percent / 100))


def digest(uri: str) -> str:
    """Return the sha256 that a bundle's address ends with; empty when it has none."""
    found = _DIGEST.search(uri)
    return found[1] if found else ""


def _without(body: Body, path: tuple[str, ...]) -> Body:
    """Leave out a field, and the maps that it leaves empty: an owner of a map owns all of it."""
    key, *rest = path
    kept = {name: value for name, value in body.items() if name != key}
    if rest and (inner := _without(body.get(key, {}), tuple(rest))):
        kept[key] = inner
    return kept


def _model(wanted: Revision) -> Body:
    return {"storageUri": wanted.bundle_uri, "args": [f"--version={wanted.version}"]}


def _notes(wanted: Revision) -> dict[str, str]:
    found = digest(wanted.bundle_uri)
    if not found:
        raise InputError(
            f"{wanted.bundle_uri}: version {wanted.version} is in no bundle store; "
            "its address must end with sha256-<digest>"
        )
    return {VERSION: wanted.version, RUN_ID: wanted.run_id, BUNDLE: found}
