from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risks import SEED, drawn
from sklearn import metrics as reference

from components.evaluation.metrics import MEASURED, measure


@given(SEED, st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_metrics_are_those_of_scikit_learn(seed: int, threshold: float) -> None:
    labels, risks = drawn(seed)
    found = measure(labels, risks, threshold)
    assert found.rows == 500
    assert found.prevalence == pytest.approx(labels.mean())
    assert found.auc == pytest.approx(reference.roc_auc_score(labels, risks))
    assert found.average_precision == pytest.approx(
        reference.average_precision_score(labels, risks)
    )
    assert found.brier == pytest.approx(np.mean((risks - labels) ** 2))
    predicted = [1 if risk >= threshold else 0 for risk in risks]
    assert found.f1 == pytest.approx(reference.f1_score(labels, predicted, zero_division=0.0))
    assert found.recall == pytest.approx(reference.recall_score(labels, predicted))
    assert found.precision == pytest.approx(
        reference.precision_score(labels, predicted, zero_division=0.0)
    )
    assert found.log_loss == pytest.approx(reference.log_loss(labels, risks))


@given(SEED)
@settings(max_examples=20, deadline=None)
def test_a_weight_is_so_many_copies_of_a_row(seed: int) -> None:
    labels, risks = drawn(seed, rows=120)
    copies = np.random.default_rng(seed).integers(1, 4, 120)
    weighted = measure(labels, risks, 0.5, copies.astype(float)).to_json()
    repeated = measure(np.repeat(labels, copies), np.repeat(risks, copies), 0.5).to_json()
    for binned in ("rows", "expected_calibration_error"):  # the bins are those of the rows
        del weighted[binned], repeated[binned]
    assert weighted == pytest.approx(repeated, abs=1e-4)


@given(SEED, st.integers(2, 400))
@settings(max_examples=50, deadline=None)
def test_no_skill_is_what_a_constant_model_reaches(seed: int, rows: int) -> None:
    labels, risks = drawn(seed, rows)
    constant = np.full(rows, labels.mean())
    found, same = measure(labels, risks, 0.5), measure(labels, constant, 0.0)
    for name in MEASURED:
        no_skill = getattr(found, f"no_skill_{name}")
        assert no_skill == pytest.approx(getattr(same, name), abs=1e-6), name


def test_metrics_are_written_as_plain_numbers() -> None:
    written = measure(*drawn(0), 0.5).to_json()
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert len(written) == 2 + 2 * len(MEASURED)
