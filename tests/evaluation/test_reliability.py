from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risks import SEED, drawn
from scipy.special import expit, logit

from components.evaluation.calibration import (
    BINS,
    Labels,
    Probabilities,
    calibration_intercept,
    calibration_slope,
    reliability,
)

ROWS = 40_000
EQUAL = np.ones(ROWS)


def true_risks(seed: int = 1) -> tuple[Labels, Probabilities]:
    """Return risks, and labels that come true as often as they say."""
    rng = np.random.default_rng(seed)
    risks = expit(rng.normal(-0.5, 1.0, ROWS))
    return (rng.random(ROWS) < risks).astype(np.int8), risks


def test_true_risks_are_calibrated() -> None:
    labels, risks = true_risks()
    assert calibration_slope(labels, risks, EQUAL) == pytest.approx(1, abs=0.05)
    assert calibration_intercept(labels, risks, EQUAL) == pytest.approx(0, abs=0.05)
    assert reliability(labels, risks, EQUAL).expected_error < 0.01


@given(st.floats(0.3, 3.0), st.floats(-1.0, 1.0))
@settings(max_examples=15, deadline=None)
def test_stretched_and_shifted_risks_are_found_out(stretch: float, shift: float) -> None:
    labels, risks = true_risks()
    wrong = expit(stretch * logit(risks))
    assert calibration_slope(labels, wrong, EQUAL) == pytest.approx(1 / stretch, rel=0.05)
    moved = expit(logit(risks) + shift)
    assert calibration_intercept(labels, moved, EQUAL) == pytest.approx(-shift, abs=0.05)


def test_a_constant_error_is_the_expected_error() -> None:
    labels, risks = true_risks()
    too_high = reliability(labels, np.minimum(risks + 0.1, 1.0), EQUAL)
    assert too_high.expected_error == pytest.approx(0.1, abs=0.01)


@given(SEED, st.integers(10, 400))
@settings(max_examples=30, deadline=None)
def test_bins_hold_every_row_once(seed: int, rows: int) -> None:
    labels, risks = drawn(seed, rows)
    found = reliability(labels, risks, np.ones(rows))
    assert found.weight.sum() == rows
    assert found.risk.size == found.rate.size <= BINS
    assert (np.diff(found.risk) > 0).all()
    assert found.weight @ found.rate == pytest.approx(labels.sum())


def test_risks_that_are_all_the_same_have_slope_0_and_certain_ones_a_finite_slope() -> None:
    labels = np.array([0, 1] * 20, np.int8)
    assert calibration_slope(labels, np.full(40, 0.5), np.ones(40)) == 0.0
    assert np.isfinite(calibration_slope(labels, labels.astype(float), np.ones(40)))
    assert np.isfinite(calibration_intercept(labels, labels.astype(float), np.ones(40)))
