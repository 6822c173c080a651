from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import tiny_bundle
from mlflow.models.signature import ModelSignature
from promoting import run_until_killed

from components.errors import HealthPredictError
from components.events import Report
from components.registry import step
from components.registry.models import Alias, Registry, Version
from components.registry.signature import signature_json
from components.registry.store import BundleStore
from components.registry.tracking import Tracking
from components.schema import encounter_schema
from components.schema.columns import HISTORY
from components.settings import Settings

Backend = Callable[..., Settings]

EVALUATION: dict[str, Any] = {
    "promote": True,
    "forced": False,
    "reasons": ["ok: AUC", "ok: Brier"],
    "candidate": {"auc": 0.7, "no_skill_auc": 0.5},
    "production": None,
    "production_version": "",
}


class Candidate:
    """A bundle in a folder, its MLflow run, and what the gate said of it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.bundle = tiny_bundle(folder / "bundle")
        self.run = Tracking(settings).start(settings.run_id, synthetic=True)

    def register(self, **changes: Any) -> tuple[str, Mapping[str, Any]]:
        """Run the step, and return what it returns and its facts."""
        report = Report("register")
        return step.run(*self.arguments(**changes), self.settings, report), report.facts

    def arguments(self, **changes: Any) -> tuple[str, str, str]:
        evaluation = self.folder / "evaluation.json"
        evaluation.write_text(json.dumps({**EVALUATION, **changes}))
        return str(self.folder / "bundle"), self.run, str(evaluation)

    @property
    def version(self) -> Version:
        found = Registry(self.settings).by_alias(Alias.CANDIDATE)
        assert found
        return found


@pytest.fixture
def candidate(backend: Backend, tmp_path: Path) -> Candidate:
    return Candidate(backend(), tmp_path)


def test_a_candidates_bundle_is_stored_and_its_version_is_not_in_production(
    candidate: Candidate,
) -> None:
    number, facts = candidate.register()
    version = candidate.version
    assert version.number == number == facts["version"]
    assert version.bundle_uri == facts["bundle_uri"]
    stored = BundleStore(candidate.settings.bundle_store).get(version.bundle_uri)
    assert stored.digest == candidate.bundle.digest == version.tags["bundle"]
    assert Registry(candidate.settings).production() is None


def test_a_version_says_what_it_was_made_of(candidate: Candidate) -> None:
    candidate.register()
    facts, tags = candidate.bundle.facts, candidate.version.tags
    assert {
        "source": facts.source,
        "rows": "600",
        "data_sha256": facts.data_sha256,
        "batch": "0",
        "synthetic": "true",
        "commit": facts.commit,
        "run_id": candidate.settings.run_id,
        "family": facts.family,
        "target": facts.target,
    }.items() <= tags.items()


def test_a_version_says_what_the_gate_saw_and_decided(candidate: Candidate) -> None:
    candidate.register(forced=True, production_version="7")
    version = candidate.version
    assert version.compared_with == "7"
    assert {
        "gate.decision": "promote",
        "gate.forced": "true",
        "reasons": "ok: AUC; ok: Brier",
        "compared_with": "7",
        "metric.auc": "0.700000",
        "metric.no_skill_auc": "0.500000",
    }.items() <= version.tags.items()


def test_a_first_version_was_compared_with_none(candidate: Candidate) -> None:
    candidate.register()
    assert candidate.version.compared_with == ""
    assert candidate.version.tags["gate.forced"] == "false"


def test_a_version_carries_mlflows_signature_by_raw_column_names(candidate: Candidate) -> None:
    candidate.register()
    signature = ModelSignature.from_dict(json.loads(candidate.version.tags["signature"]))
    features = encounter_schema().features
    assert signature.inputs.input_names() == [column.name for column in features]
    assert [str(kind.name) for kind in signature.inputs.input_types()] == [
        "long" if column.is_integer else "string" for column in features
    ]
    assert signature.outputs.input_names() == ["probability", "readmitted"]


def test_a_column_of_the_signature_that_has_a_default_is_optional() -> None:
    schema = encounter_schema(history=True)
    signature = ModelSignature.from_dict(json.loads(signature_json(schema)))
    assert signature.inputs.optional_input_names() == list(HISTORY)


def test_the_step_again_ends_with_the_same_version(candidate: Candidate) -> None:
    first = candidate.register()
    assert candidate.register() == first
    with pytest.raises(HealthPredictError, match="version 2"):
        Registry(candidate.settings).version("2")


def test_the_step_that_was_killed_anywhere_ends_with_one_version(candidate: Candidate) -> None:
    arguments = (*candidate.arguments(), candidate.settings, Report("register"))
    writes = 0
    while run_until_killed(step.run, arguments, writes):
        writes += 1
    number, _ = candidate.register()
    assert writes == 3  # the model, the version, the alias
    assert number == candidate.version.number == "1"
    with pytest.raises(HealthPredictError, match="version 2"):
        Registry(candidate.settings).version("2")
