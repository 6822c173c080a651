from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from components.evaluation.metrics import (
    Interval,
    Labels,
    Probabilities,
    curves,
    measure,
    paired_auc_difference,
)

SEED = st.integers(0, 2**32 - 1)


def drawn(seed: int, rows: int = 500, skill: float = 1.0) -> tuple[Labels, Probabilities]:
    """Return labels of both classes and risks that tell them apart by ``skill``, with ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.4).astype(np.int8)
    labels[:2] = 0, 1
    risks = 1 / (1 + np.exp(-(skill * (labels - 0.4) + rng.normal(size=rows))))
    return labels, risks.round(3)


def owners(rows: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(1, rows // 2, rows)


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


@given(SEED, st.integers(2, 400))
@settings(max_examples=50, deadline=None)
def test_no_skill_is_what_a_constant_model_reaches(seed: int, rows: int) -> None:
    labels, risks = drawn(seed, rows)
    constant = np.full(rows, labels.mean())
    found, same = measure(labels, risks, 0.5), measure(labels, constant, 0.0)
    assert found.no_skill_auc == pytest.approx(same.auc)
    assert found.no_skill_average_precision == pytest.approx(same.average_precision)
    assert found.no_skill_brier == pytest.approx(same.brier)
    assert found.no_skill_f1 == pytest.approx(same.f1)


def test_metrics_are_written_as_plain_numbers() -> None:
    written = measure(*drawn(0), 0.5).to_json()
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert len(written) == 10


@given(SEED)
@settings(max_examples=10, deadline=None)
def test_a_model_differs_from_itself_by_nothing(seed: int) -> None:
    labels, risks = drawn(seed)
    found = paired_auc_difference(labels, risks, risks, owners(500), seed=1, draws=20)
    assert found == Interval(0.0, 0.0, 0.0)


@given(SEED, SEED)
@settings(max_examples=10, deadline=None)
def test_the_interval_holds_the_difference(seed: int, patients: int) -> None:
    labels, risks = drawn(seed)
    other = np.roll(risks, 1)
    found = paired_auc_difference(labels, risks, other, owners(500, patients), seed=1, draws=60)
    auc = reference.roc_auc_score
    assert found.value == pytest.approx(auc(labels, risks) - auc(labels, other))
    assert found.low <= found.value <= found.high


def test_a_clear_gain_lies_above_zero_and_turns_with_the_sides() -> None:
    labels, risks = drawn(3, rows=2000)
    noise = np.random.default_rng(4).random(2000)
    gain = paired_auc_difference(labels, risks, noise, owners(2000), seed=1)
    loss = paired_auc_difference(labels, noise, risks, owners(2000), seed=1)
    assert 0 < gain.low < gain.value < gain.high
    assert asdict(loss) == pytest.approx(
        {"value": -gain.value, "low": -gain.high, "high": -gain.low}
    )


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    labels, risks = drawn(5)
    found = [
        paired_auc_difference(labels, risks, np.roll(risks, 1), owners(500), seed=seed, draws=50)
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


def test_whole_patients_are_drawn_so_that_repeats_add_no_certainty() -> None:
    """The same rows ten times, as the rows of the same patients, tell nothing new."""
    labels, risks = drawn(6, rows=300)
    other, patients = np.roll(risks, 1), np.arange(300)
    once = paired_auc_difference(labels, risks, other, patients, seed=1)
    rows = np.tile(patients, 10)
    often = paired_auc_difference(labels[rows], risks[rows], other[rows], rows, seed=1)
    assert asdict(often) == pytest.approx(asdict(once))


@given(SEED, st.integers(2, 3000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_roc_curve_is_thin_finite_and_rises_from_corner_to_corner(
    seed: int, rows: int, threshold: float
) -> None:
    labels, risks = drawn(seed, rows)
    found = curves(labels, risks, threshold)
    false, true, cuts = (
        found.false_positive_rate, found.true_positive_rate, found.thresholds,
    )  # fmt: skip
    assert 2 <= len(false) == len(true) == len(cuts) <= 100
    assert all(math.isfinite(value) for value in (*false, *true, *cuts))
    assert (false[0], true[0], false[-1], true[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(false) >= 0).all()
    assert (np.diff(true) >= 0).all()
    assert (np.diff(cuts) <= 0).all()


def test_thinning_hardly_moves_the_area_under_the_curve() -> None:
    labels, risks = drawn(7, rows=5000)
    found = curves(labels, risks, 0.5)
    area = reference.auc(found.false_positive_rate, found.true_positive_rate)
    assert area == pytest.approx(reference.roc_auc_score(labels, risks), abs=0.002)


@given(SEED, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_confusion_matrix_counts_true_by_predicted_class(seed: int, threshold: float) -> None:
    labels, risks = drawn(seed, rows=50)
    assume(labels.any())
    called = risks >= threshold
    expected = [
        [int(((labels == true) & (called == predicted)).sum()) for predicted in (False, True)]
        for true in (0, 1)
    ]
    assert curves(labels, risks, threshold).confusion == expected
