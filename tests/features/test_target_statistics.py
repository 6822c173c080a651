from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import xgboost as xgb
from builders import Row, random_rows, rows_table
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from components.features.batch import encode_table
from components.features.fit import Fitted, fit_encoder
from components.features.statistics import FOLDS, PRIOR_ROWS, patient_folds
from components.features.target import Target
from components.ingest.synthetic import synthesise
from components.schema import encounter_schema

Labels = NDArray[np.int8]


def truth(rows: int, seed: int = 0) -> Labels:
    return np.random.default_rng(seed).integers(0, 2, rows).astype(np.int8)


def fitted(rows: list[Row], labels: Labels) -> Fitted:
    return fit_encoder(rows_table(rows), labels, encounter_schema())


def value_of(found: Fitted, column: str, row: Row) -> float:
    encoder = found.encoder
    return float(encoder.encode_row(row)[encoder.outputs.index(column)])


def excess(risk: float, prior: float) -> float:
    return math.log(risk / (1 - risk)) - math.log(prior / (1 - prior))


def test_a_values_risk_is_its_share_of_positive_rows_drawn_to_the_prevalence() -> None:
    rows, labels = random_rows(400, seed=1), truth(400)
    found, row = fitted(rows, labels), rows[0]
    same = np.array([r["payer_code"] == row["payer_code"] for r in rows])
    prior = (labels.sum() + 0.5) / 401
    risk = (labels[same].sum() + PRIOR_ROWS * prior) / (same.sum() + PRIOR_ROWS)
    assert value_of(found, "risk(payer_code)", row) == pytest.approx(excess(risk, prior), abs=2e-6)


def test_an_unseen_value_has_no_excess_risk() -> None:
    rows = random_rows(400, seed=1)
    assert (
        value_of(fitted(rows, truth(400)), "risk(payer_code)", {**rows[0], "payer_code": "Z"}) == 0
    )


def test_an_unseen_code_has_its_categorys_risk_and_else_its_chapters() -> None:
    rows = [{**row, "diag_1": "401"} for row in random_rows(300, seed=2)]
    labels = truth(300)
    for row in rows[:60]:
        row["diag_1"] = "250.1"
    labels[:60] = 1
    found = fitted(rows, labels)

    def risk(code: str) -> float:
        return value_of(found, "risk(diag_1)", {**rows[0], "diag_1": code})

    assert risk("250.1") > risk("250.99") > 0.5
    assert risk("250.99") == risk("250.2")
    assert risk("402") == pytest.approx(risk("459"))
    assert risk("402") < 0
    assert risk("V10") == 0


def test_a_diagnosis_counts_in_whichever_position_it_stands() -> None:
    rows = random_rows(300, seed=3)
    found = fitted(rows, truth(300))
    one = {**rows[0], "diag_1": "250", "diag_2": "401", "diag_3": "?"}
    other = {**rows[0], "diag_1": "401", "diag_2": "?", "diag_3": "250"}
    for column in ("sum(risk(diagnoses))", "max(risk(diagnoses))"):
        assert value_of(found, column, one) == pytest.approx(value_of(found, column, other))


def test_no_row_of_the_training_knows_its_own_label() -> None:
    """Every patient has a payer of its own: only its own label could tell it."""
    rows = [{**row, "payer_code": f"P{n}"} for n, row in enumerate(random_rows(500, seed=4))]
    labels, table = truth(500), rows_table(rows)
    found = fitted(rows, labels)
    column = found.encoder.outputs.index("risk(payer_code)")
    assert set(found.encode_training(table)[:, column]) == {0.0}
    assert roc_auc_score(labels, encode_table(found.encoder, table)[:, column]) == 1.0


def test_another_label_of_a_patient_does_not_move_its_own_rows() -> None:
    rows = random_rows(300, seed=5)
    table = rows_table(rows).set_column(1, "patient_nbr", pa.array(np.arange(300) // 3 + 1))
    labels = truth(300)
    turned = labels.copy()
    turned[:3] = 1 - turned[:3]
    first, second = (
        fit_encoder(table, part, encounter_schema()).encode_training(table)
        for part in (labels, turned)
    )
    assert np.array_equal(first[:3], second[:3])
    assert not np.array_equal(first[3:], second[3:])


def test_a_patients_rows_are_in_one_fold_and_folds_are_about_as_large() -> None:
    patients = np.arange(1, 20_001)
    folds = patient_folds(patients)
    assert np.array_equal(folds, patient_folds(patients[::-1])[::-1])
    assert (np.abs(np.bincount(folds, minlength=FOLDS) / folds.size - 1 / FOLDS) < 0.02).all()


def test_shuffled_labels_cannot_be_learnt() -> None:
    table = synthesise(12_000, seed=6)
    labels = np.random.default_rng(7).permutation(Target.ANY.labels(table))
    train, test = table.slice(0, 8_000), table.slice(8_000)
    found = fit_encoder(train, labels[:8_000], encounter_schema())
    booster = xgb.train(
        {"objective": "binary:logistic", "eta": 0.1, "max_depth": 4, "seed": 0},
        xgb.QuantileDMatrix(found.encode_training(train), labels[:8_000]),
        40,
    )
    auc = roc_auc_score(labels[8_000:], booster.inplace_predict(encode_table(found.encoder, test)))
    # Four standard errors of the AUC of 4,000 rows without skill: sqrt(1 / (12 n/4)) each.
    assert abs(auc - 0.5) < 4 / math.sqrt(3 * 4_000)
