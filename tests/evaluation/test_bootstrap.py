from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risks import SEED, drawn, owners
from sklearn import metrics as reference

from components.evaluation.bootstrap import (
    WITH_INTERVAL,
    Interval,
    auc_interval,
    metric_intervals,
    paired_auc_difference,
)
from components.evaluation.metrics import measure, weighted_auc


@given(SEED, st.integers(2, 300))
@settings(max_examples=50, deadline=None)
def test_the_weighted_auc_is_that_of_scikit_learn(seed: int, rows: int) -> None:
    labels, risks = drawn(seed, rows)
    auc, rng = weighted_auc(labels, risks.round(1)), np.random.default_rng(seed)
    for weights in (np.ones(rows), rng.integers(0, 4, rows) + (np.arange(rows) < 2)):
        expected = reference.roc_auc_score(labels, risks.round(1), sample_weight=weights)
        assert auc(weights.astype(float)) == pytest.approx(expected)


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


@given(SEED)
@settings(max_examples=3, deadline=None)
def test_every_metric_lies_in_its_interval(seed: int) -> None:
    labels, risks = drawn(seed)
    metrics, found = metric_intervals(labels, risks, 0.5, owners(500), seed=1, draws=60)
    assert metrics == measure(labels, risks, 0.5)
    assert tuple(found) == WITH_INTERVAL
    for name, interval in found.items():
        assert interval.value == getattr(metrics, name)
        assert interval.low < interval.high
        if name != "expected_calibration_error":  # it rises when it is drawn again
            assert interval.low < interval.value < interval.high, name


@given(SEED, st.integers(20, 300))
@settings(max_examples=10, deadline=None)
def test_f1_is_paired_with_its_no_skill_value_so_that_calling_everybody_gains_nothing(
    seed: int, rows: int
) -> None:
    labels, risks = drawn(seed, rows)
    metrics, found = metric_intervals(labels, risks, 0.0, owners(rows), seed=1, draws=20)
    assert metrics.f1 == metrics.no_skill_f1
    assert found["f1_gain"] == Interval(0.0, 0.0, 0.0)


def test_the_gain_in_f1_is_surer_than_f1() -> None:
    found = metric_intervals(*drawn(5, rows=2000, skill=2.0), 0.4, owners(2000), seed=1)[1]
    gain, f1 = found["f1_gain"], found["f1"]
    assert 0 < gain.low < gain.value < gain.high
    assert gain.high - gain.low < f1.high - f1.low


def test_the_interval_of_an_auc_covers_the_truth_as_often_as_it_says() -> None:
    """60 samples; 95 % of 60 is at least 51 with a chance of 0.999."""
    truth = reference.roc_auc_score(*drawn(1, rows=200_000))
    covered = 0
    for seed in range(60):
        found = auc_interval(*drawn(seed, rows=200), np.arange(200), seed=seed, draws=60)
        covered += found.low <= truth <= found.high
    assert covered >= 51


def test_a_draw_without_both_labels_is_left_out() -> None:
    labels = np.array([1, *[0] * 30], np.int8)
    found = auc_interval(labels, np.linspace(1, 0, 31), np.arange(31), seed=1)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
