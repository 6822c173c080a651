from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from risks import SEED, drawn
from sklearn import metrics as reference

from components.evaluation.curves import curves, decision_curve


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


@given(SEED)
@settings(max_examples=20, deadline=None)
def test_net_benefit_weighs_false_positives_by_the_odds_of_the_threshold(seed: int) -> None:
    labels, risks = drawn(seed, rows=200)
    found = decision_curve(labels, risks)
    for threshold, model, everybody in zip(
        found.thresholds, found.model, found.everybody, strict=True
    ):
        odds = threshold / (1 - threshold)
        called = risks >= threshold
        gain = (labels[called] == 1).sum() - odds * (labels[called] == 0).sum()
        assert model == pytest.approx(gain / 200)
        assert everybody == pytest.approx(labels.mean() - odds * (1 - labels.mean()))


def test_precision_and_recall_are_drawn_from_everybody_to_nobody() -> None:
    labels, risks = drawn(8, rows=3000)
    found = curves(labels, risks, 0.5)
    assert len(found.precision) == len(found.recall) <= 100
    assert (found.recall[0], found.recall[-1]) == (1.0, 0.0)
    assert found.precision[0] == pytest.approx(labels.mean())
    assert (np.diff(found.recall) <= 0).all()
