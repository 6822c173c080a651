"""The bodies that are applied to the InferenceService."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from components.deployment.kserve import manifest
from components.deployment.kserve.manifest import merged, replicas_at, without_canary, without_model
from components.deployment.target import Revision
from components.errors import InputError

CRD = Path(__file__).parents[4] / "shared" / "schemas" / "serving.kserve.io_inferenceservices.yaml"
DIGEST = "0f" * 32
SEVEN = Revision("7", f"s3://bundles/sha256-{DIGEST}", "run-1")
REVISION = f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: readmission
  namespace: serving
  annotations:
    serving.kserve.io/deploymentMode: Standard
    serving.kserve.io/autoscalerClass: none
spec:
  predictor:
    annotations:
      health-predict/version: '7'
      health-predict/run-id: run-1
      health-predict/bundle: {DIGEST}
    model:
      modelFormat:
        name: readmission
      runtime: readmission
      storageUri: s3://bundles/sha256-{DIGEST}
      args:
      - --version=7
"""


def test_a_revision_is_a_short_file() -> None:
    assert yaml.safe_dump(manifest.revision(SEVEN), sort_keys=False) == REVISION


def test_what_is_applied_fits_kserves_schema() -> None:
    validator = _strict_validator()
    validator.validate(manifest.revision(SEVEN))
    entry = manifest.canary(SEVEN, "v7", {})
    for percent in (0, 100):
        canary = {"spec": {"canary": [manifest.weighed(entry, percent, 2)]}}
        validator.validate(merged(manifest.revision(SEVEN), canary))
    unknown = merged(manifest.revision(SEVEN), {"spec": {"predictor": {"modle": {}}}})
    assert not validator.is_valid(unknown)
    entry["predictor"]["model"].pop("name")
    assert not validator.is_valid(merged(manifest.revision(SEVEN), {"spec": {"canary": [entry]}}))


def test_a_canary_becomes_stable_with_the_same_pods() -> None:
    canary, stable = manifest.canary(SEVEN, "v7", {})["predictor"], manifest.stable(SEVEN, "v7")

    assert canary["name"] == stable["name"]
    assert canary["annotations"] == stable["annotations"]
    model = canary["model"]
    assert {key: model[key] for key in ("storageUri", "args")} == stable["model"]


def test_a_canary_takes_its_format_from_the_stable_model() -> None:
    inherited = {"modelFormat": {"name": "other", "version": "2"}, "runtime": "other"}

    model = manifest.canary(SEVEN, "v7", inherited)["predictor"]["model"]

    assert model["modelFormat"] == {"name": "other", "version": "2"}
    assert "runtime" not in model


def test_a_bundle_outside_of_a_store_is_refused() -> None:
    with pytest.raises(InputError, match="s3://bundles/latest: version 7 is in no bundle store"):
        manifest.revision(Revision("7", "s3://bundles/latest", "run-1"))


@pytest.mark.parametrize(
    ("percent", "stable", "pods"),
    [
        (0, 2, 1),
        (10, 2, 1),
        (50, 2, 1),
        (51, 2, 2),
        (100, 2, 2),
        (50, 5, 3),
        (100, 1, 1),
        (10, 0, 1),
    ],
)
def test_a_canary_has_its_share_of_the_pods(percent: int, stable: int, pods: int) -> None:
    assert replicas_at(percent, stable) == pods


def test_maps_are_merged_and_lists_replaced() -> None:
    body = {"a": {"b": 1, "c": [1, 2]}, "d": 1}

    assert merged(body, {"a": {"c": [3]}, "d": {"e": 2}}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"e": 2},
    }
    assert body == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_what_is_left_out_leaves_no_empty_map() -> None:
    whole = manifest.revision(SEVEN)
    assert without_canary(merged(whole, {"spec": {"canary": []}})) == whole
    assert without_canary({"spec": {"canary": []}}) == {}
    model = {"modelFormat": {"name": "readmission"}, "runtime": "readmission"}
    assert without_model(whole)["spec"] == {"predictor": {"model": model}}
    assert without_model({"spec": {"predictor": manifest.stable(SEVEN, "v7")}}) == {}


def _strict_validator() -> Any:
    """Return a validator that also refuses what the schema does not know."""
    if not CRD.exists():
        pytest.skip(f"{CRD.name} is not beside the project, in ../shared/schemas")
    loaded = yaml.load(CRD.read_text("utf-8"), Loader=yaml.CSafeLoader)  # ten times as fast
    (version,) = loaded["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object"}
    _close(schema)
    return jsonschema_rs.validator_for(schema)


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        schema.pop("format", None)  # int32 and the like, which JSON Schema does not know
        for inner in schema.values():
            _close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _close(inner)
