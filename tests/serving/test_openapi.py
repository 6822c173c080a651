"""The OpenAPI document and its page, held against the server that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from builders import random_rows, tiny_bundle
from fitted import fitted, training
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving_process import EXPLAIN, INFER, PREDICT, Served, serving

from components.ingest.synthetic import synthesise
from components.schema import encounter_schema
from serving.openapi import document
from serving.predictor import ReadmissionPredictor

EXAMPLES = 30
POSTS = (PREDICT, EXPLAIN, INFER)
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["200"]},
            "negative_data_rejection": {"expected-statuses": ["400", "413"]},
        }
    }
)
SCHEMA = encounter_schema()
ALIASES = [name for name in SCHEMA.names if "-" in name]
ROWS = random_rows(50, seed=50)
TEXTS = sorted({str(value) for column in SCHEMA for value in column.values})
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(SCHEMA.names) | st.sampled_from(["Age", "diag_4", ""]) | st.text()
LIKELY = st.one_of(
    st.none(),
    st.integers(-25, 135),
    st.integers(-25, 135).map(float),
    st.sampled_from([*TEXTS, "?", "250.83", "V57", "E885", "250\n", "ZZ", "z" * 80, "z" * 81]),
    st.sampled_from([2**53 - 1, 2**53, float(2**53), -0.0, 10**30, "", " ", "No\n", "٣"]),
)


@dataclass(frozen=True)
class Described:
    """A served model with the document that describes it."""

    served: Served

    @property
    def url(self) -> str:
        return str(self.served.client.base_url).rstrip("/")

    @cached_property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = self.served.client.get("/openapi.json").json()
        return found

    @cached_property
    def operations(self) -> Any:
        return schemathesis.openapi.from_url(f"{self.url}/openapi.json", config=CONFIG)

    @cached_property
    def encounter(self) -> jsonschema_rs.Validator:
        return self.validator({"$ref": "#/components/schemas/Encounter"})

    def validator(self, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        """Return what holds values against a schema of the document."""
        components = {"components": self.document["components"]}
        return jsonschema_rs.validator_for({**schema, **components})


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    folder = tmp_path_factory.mktemp("described")
    made = fitted("xgboost", training(synthesise(1_500, seed=50)), folder / "bundle", resource=20)
    with serving(folder, bundle=made.bundle) as (served, _):
        yield Described(served)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", POSTS)
@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_the_document_allows_is_answered_and_what_it_forbids_is_refused(
    described: Described, path: str, mode: GenerationMode, data: st.DataObject
) -> None:
    """Every check of schemathesis: statuses, headers, content types and schemas of the answers."""
    case = data.draw(described.operations[path]["POST"].as_strategy(generation_mode=mode))
    # That tensors are whole and of one length is beyond a schema.
    beyond = [positive_data_acceptance] if path == INFER else []
    case.call_and_validate(excluded_checks=beyond)


def test_every_operation_that_takes_nothing_answers_as_described(described: Described) -> None:
    paths = [path for path, methods in described.document["paths"].items() if "get" in methods]
    assert len(paths) > 5
    for path in paths:
        case = described.operations[path]["GET"].Case()
        assert case.call_and_validate().status_code == 200


@pytest.mark.parametrize("path", POSTS)
def test_an_operations_example_is_answered_as_described(described: Described, path: str) -> None:
    operation = described.document["paths"][path]["post"]
    (sent,) = operation["requestBody"]["content"].values()
    answer = described.served.post(path, sent["example"])
    shown = operation["responses"]["200"]["content"]["application/json"]
    assert answer.status_code == 200
    assert described.validator(sent["schema"]).is_valid(sent["example"])
    described.validator(shown["schema"]).validate(answer.json())
    described.validator(shown["schema"]).validate(shown["example"])
    # An explanation takes a thread of its own, so the one that is shown is made up.
    assert path == EXPLAIN or answer.json() == shown["example"]


@pytest.mark.parametrize("status", ["400", "413", "503"])
def test_the_errors_that_are_shown_have_the_form_of_all_errors(
    described: Described, status: str
) -> None:
    said = described.document["paths"][PREDICT]["post"]["responses"][status]["content"]
    shown = said["application/json"]
    described.validator(shown["schema"]).validate(shown["example"])


def test_an_example_is_an_encounter_in_the_order_of_the_file(described: Described) -> None:
    body = described.document["paths"][PREDICT]["post"]["requestBody"]["content"]
    (row,) = body["application/json"]["example"]["instances"]
    assert list(row) == [column.name for column in SCHEMA.features]


def test_the_document_refers_to_nothing_that_it_lacks(described: Described) -> None:
    schemas = described.document["components"]["schemas"]
    used = re.findall(r"#/components/schemas/(\w+)", str(described.document))
    assert set(used) == set(schemas)


def test_a_bundle_that_cannot_explain_is_not_described_as_if_it_could(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    model = ReadmissionPredictor(tmp_path / "bundle", "3")
    model.load()
    assert set(POSTS) - set(document(model)["paths"]) == {EXPLAIN}


def test_the_document_allows_every_valid_encounter(described: Described) -> None:
    for row in random_rows(300, seed=51):
        assert described.encounter.is_valid(row)
        assert described.encounter.is_valid({**row, "encounter_id": 5, "patient_nbr": None})


@given(st.sampled_from(ROWS), st.dictionaries(NAMES, LIKELY | JSON | st.just(...), max_size=3))
@example(ROWS[0], {"Age": None})
@example(ROWS[0], {"readmitted": None, "weight": ...})
@settings(max_examples=600, deadline=None)
def test_the_document_refuses_what_the_server_refuses_and_no_more(
    described: Described, row: dict[str, object], changes: dict[str, object]
) -> None:
    """Change some fields; an ellipsis leaves one out."""
    sent = {name: value for name, value in (row | changes).items() if value is not ...}
    assert described.encounter.is_valid(sent) == answered(described, sent)


@pytest.mark.parametrize("name", ALIASES)
def test_the_server_alone_takes_an_underscore_for_a_hyphen(described: Described, name: str) -> None:
    sent = {key.replace("-", "_") if key == name else key: cell for key, cell in ROWS[0].items()}
    assert answered(described, sent)
    assert not described.encounter.is_valid(sent)
    encounter = described.document["components"]["schemas"]["Encounter"]
    assert "underscore" in encounter["description"]


def answered(described: Described, row: object) -> bool:
    status = described.served.post(PREDICT, {"instances": [row]}).status_code
    assert status in (200, 400)
    return status == 200
