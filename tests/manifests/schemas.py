"""CustomResourceDefinitions as JSON Schemas that refuse what they do not name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from manifests.rendered import ROOT, Body

SCHEMAS = ROOT.parent / "shared" / "schemas"
_KEEPS = "x-kubernetes-preserve-unknown-fields"
_FILES = {
    "serving.kserve.io": ("serving.kserve.io_*.yaml",),
    "gateway.networking.k8s.io": ("gateway-api-standard-crds.yaml",),
    "ray.io": ("ray.io_*.yaml",),
    "pipelines.kubeflow.org": ("pipelines.kubeflow.org_*.yaml",),
}


def group(doc: Body) -> str:
    """Return the API group of an object; empty for the core one."""
    head, _, version = doc["apiVersion"].rpartition("/")
    return str(head) if version else ""


def has_schema(doc: Body) -> bool:
    """Whether the kind is one whose definition lies beside the project."""
    return group(doc) in _FILES


def errors(doc: Body) -> list[str]:
    """Return what a kind's own definition says against an object."""
    schema = _schema(group(doc), doc["apiVersion"].rpartition("/")[2], doc["kind"])
    found = jsonschema_rs.validator_for(schema).iter_errors(doc)
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in found]


@cache
def _schema(api_group: str, version: str, kind: str) -> Body:
    for pattern in _FILES[api_group]:
        for path in sorted(SCHEMAS.glob(pattern)):
            for definition in _definitions(path):
                spec = definition["spec"]
                if spec["names"]["kind"] == kind:
                    found = next(v for v in spec["versions"] if v["name"] == version)
                    strict: Body = _strict(found["schema"]["openAPIV3Schema"])
                    # The API server checks it against a schema of its own.
                    strict["properties"]["metadata"] = {"type": "object"}
                    return strict
    raise LookupError(f"{SCHEMAS} has no {kind} of {api_group}/{version}")


def _definitions(path: Path) -> list[Body]:
    # libyaml's parser: some of them are a megabyte.
    docs = yaml.load_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return [doc for doc in docs if doc and doc["kind"] == "CustomResourceDefinition"]


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    # Patterns are Go's, and what a webhook checks is the webhook's.
    kept = {k: v for k, v in schema.items() if k not in ("pattern", "format", "default")}
    for key, value in kept.items():
        # A field may be named as a keyword is.
        fields = key == "properties"
        kept[key] = {n: _strict(v) for n, v in value.items()} if fields else _strict(value)
    if "properties" in kept and not kept.get(_KEEPS) and "additionalProperties" not in kept:
        kept["additionalProperties"] = False
    return kept
