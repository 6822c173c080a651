from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from builders import Row, random_rows, tiny_bundle
from fitted import Fitted, Training, fitted, raw_rows, training
from numpy.typing import NDArray
from serving_app import Application, application
from serving_process import EXPLAIN, PREDICT, assert_error
from shapley import shap_values

from components.ingest.synthetic import synthesise
from components.registry.calibration import Calibration, CalibrationKind
from components.schema import encounter_schema
from components.tuning.export import predict

ROWS = 100
ROWS_OF_A_FOREST = 10
"""As many as are explained at once."""
SMALL: dict[str, tuple[dict[str, Any], int]] = {
    "logistic_regression": ({"C": 0.1, "l1_ratio": 0.5}, 30),
    "random_forest": ({"min_samples_leaf": 3, "max_features": 0.3, "max_depth": 10}, 20),
    "xgboost": ({"eta": 0.1, "max_depth": 5, "min_child_weight": 5.0, "lambda": 1.0}, 60),
}
SAME = 1e-6
"""Largest difference of two sums of float32 contributions."""
CALIBRATION = Calibration(CalibrationKind.PLATT, slope=0.8, intercept=0.3)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """A served model, the encounters that were sent to it, and its answer."""

    made: Fitted
    app: Application
    rows: list[Row]
    answer: dict[str, Any]

    @property
    def explanations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.answer["explanations"]
        return found

    def of(self, name: str) -> Numbers:
        return np.array([explanation[name] for explanation in self.explanations])

    def contributions(self) -> list[dict[tuple[str, ...], float]]:
        return [
            {tuple(part["columns"]): part["contribution"] for part in explanation["contributions"]}
            for explanation in self.explanations
        ]


@pytest.fixture(scope="module")
def on() -> Training:
    return training(synthesise(3_000, seed=40))


@pytest.fixture(scope="module", params=SMALL)
def explained(
    request: pytest.FixtureRequest, on: Training, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Explained]:
    parameters, resource = SMALL[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    made = fitted(
        request.param,
        on,
        folder,
        resource=resource,
        parameters=parameters,
        calibration=CALIBRATION,
    )
    most = ROWS_OF_A_FOREST if request.param == "random_forest" else ROWS
    rows = raw_rows(synthesise(ROWS, seed=41))[:most]
    with application(folder) as app:
        yield Explained(made, app, rows, app.post(EXPLAIN, {"instances": rows}).json())


def test_base_value_and_contributions_sum_to_the_margin(explained: Explained) -> None:
    sums = [sum(found.values()) for found in explained.contributions()]
    assert len(sums) == len(explained.rows)
    assert np.abs(explained.of("base_value") + sums - explained.of("margin")).max() < 1e-9
    assert np.ptp(explained.of("base_value")) < 1e-6
    assert np.ptp(sums) > 0.1


def test_the_margin_is_what_the_trained_model_says_before_calibration(explained: Explained) -> None:
    """A logit; a forest's is its probability."""
    made = explained.made
    risks = predict(made.model, made.bundle.encoder.encode_rows(explained.rows))
    forest = made.bundle.facts.family == "random_forest"
    margin = risks if forest else np.log(risks / (1 - risks))
    assert np.abs(explained.of("margin") - margin).max() < 1e-5
    assert np.abs(explained.of("probability") - CALIBRATION.apply(risks)).max() < 1e-6


def test_the_probability_is_the_one_that_is_predicted(explained: Explained) -> None:
    answer = explained.app.post(PREDICT, {"instances": explained.rows}).json()
    predicted = [prediction["probability"] for prediction in answer["predictions"]]
    assert explained.of("probability").tolist() == predicted
    same = ("model_name", "model_version", "bundle", "synthetic")
    assert {name: explained.answer[name] for name in same} == {name: answer[name] for name in same}


def test_columns_that_are_encoded_together_stand_together_and_once(explained: Explained) -> None:
    schema = encounter_schema()
    names = {column.name for column in schema.features}
    joined = {
        ("diag_1", "diag_2", "diag_3"),
        ("number_outpatient", "number_emergency", "number_inpatient"),
        schema.drugs,
    }
    for explanation in explained.explanations:
        groups = [tuple(part["columns"]) for part in explanation["contributions"]]
        assert len(groups) == len(set(groups))
        assert {group for group in groups if len(group) > 1} == joined
        assert {name for group in groups for name in group} == names


def test_the_largest_contribution_stands_first(explained: Explained) -> None:
    for found in explained.contributions():
        sizes = [abs(value) for value in found.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > 0


def test_the_values_are_those_that_were_sent(explained: Explained) -> None:
    for row, explanation in zip(explained.rows, explained.explanations, strict=True):
        for part in explanation["contributions"]:
            assert part["values"] == [row[column] for column in part["columns"]]


def test_the_shap_package_finds_the_same_contributions(explained: Explained) -> None:
    bundle = explained.made.bundle
    values = shap_values(explained.made.model, bundle.encoder.encode_rows(explained.rows))
    assert np.abs(explained.of("base_value") - values[:, -1]).max() < SAME
    for found, row in zip(explained.contributions(), values, strict=True):
        other = {columns: row[at].sum() for columns, at in bundle.encoder.places.items()}
        assert found.keys() == other.keys()
        assert max(abs(found[columns] - other[columns]) for columns in found) < SAME


def test_an_encounter_is_explained_alone_as_among_others(explained: Explained) -> None:
    (alone,) = explained.app.post(EXPLAIN, {"instances": explained.rows[7:8]}).json()[
        "explanations"
    ]
    among = explained.explanations[7]
    assert alone["contributions"] == among["contributions"]
    assert abs(alone["probability"] - among["probability"]) < 1e-6


def test_explanations_and_predictions_at_the_same_time_do_not_disturb_each_other(
    explained: Explained,
) -> None:
    asked = ((EXPLAIN, {"instances": explained.rows}), (PREDICT, {"instances": explained.rows}))
    alone = [explained.app.post(*each).json() for each in asked]
    together = explained.app.post_at_once(*asked * 4)
    assert [answer.json() for answer in together] == alone * 4


def test_a_value_that_was_not_sent_is_told_as_missing_and_a_name_is_the_raw_one(
    explained: Explained,
) -> None:
    sent = {**explained.rows[0], "weight": None}
    sent["glyburide_metformin"] = sent.pop("glyburide-metformin")
    del sent["payer_code"]
    (explanation,) = explained.app.post(EXPLAIN, {"instances": [sent]}).json()["explanations"]
    told = {
        column: value
        for part in explanation["contributions"]
        for column, value in zip(part["columns"], part["values"], strict=True)
    }
    assert (told["weight"], told["payer_code"]) == ("?", "?")
    assert told["glyburide-metformin"] == explained.rows[0]["glyburide-metformin"]


@pytest.mark.parametrize("more", [1, 50])
def test_more_rows_than_are_explained_at_once_are_a_413(explained: Explained, more: int) -> None:
    most = len(explained.rows)
    body = {"instances": (explained.rows * 10)[: most + more]}
    told = assert_error(explained.app.post(EXPLAIN, body), 413)["error"]
    assert f"at most {most} are allowed" in told


def test_identifiers_and_unseen_values_are_told_as_for_a_prediction(explained: Explained) -> None:
    sent = {**explained.rows[0], "encounter_id": 5, "patient_nbr": 6, "payer_code": "ZZ"}
    answer = explained.app.post(EXPLAIN, {"instances": [sent, explained.rows[0]]}).json()
    named, bare = answer["explanations"]
    assert (named["encounter_id"], named["patient_nbr"]) == (5, 6)
    assert "encounter_id" not in bare
    assert answer["warnings"]["payer_code"] == ["ZZ"]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"time_in_hospital": 99, "sex": "Male"}, 3]},
        {"instances": []},
        {"instances": {}},
        {"inputs": []},
        [],
    ],
)
def test_a_body_that_is_refused_is_refused_as_for_a_prediction(
    explained: Explained, body: Any
) -> None:
    found = assert_error(explained.app.post(EXPLAIN, body), 400)
    assert found == assert_error(explained.app.post(PREDICT, body), 400)


def test_bad_fields_behind_good_rows_are_told_as_for_a_prediction(explained: Explained) -> None:
    good, bad = explained.rows[:-1], {**explained.rows[0], "age": "old", "diag_1": 3}
    body = {"instances": [*good, bad]}
    found = assert_error(explained.app.post(EXPLAIN, body), 400)
    assert found == assert_error(explained.app.post(PREDICT, body), 400)
    assert {(detail["row"], detail["field"]) for detail in found["details"]} == {
        (len(good), "age"),
        (len(good), "diag_1"),
    }


def test_a_bundle_without_an_explainer_answers_501(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("plain")
    tiny_bundle(folder)
    with application(folder) as app:
        body = {"instances": random_rows(1, seed=42)}
        assert "cannot be explained" in assert_error(app.post(EXPLAIN, body), 501)["error"]
        assert app.post(PREDICT, body).is_success
