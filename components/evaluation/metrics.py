"""Metrics of a binary risk, each with the value that a model without skill would reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.metrics import average_precision_score

from components.evaluation.calibration import (
    Labels,
    Probabilities,
    Weights,
    calibration_intercept,
    calibration_slope,
    reliability,
)

MEASURED = (
    "auc", "average_precision", "brier", "log_loss", "f1", "precision", "recall",
    "calibration_slope", "calibration_intercept", "expected_calibration_error",
)  # fmt: skip
"""Names of the metrics; each has a ``no_skill_`` value beside it."""


_LEAST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Metrics:
    """Metrics of one model on one set of rows.

    The ``no_skill`` values are those of a model that knows the prevalence and nothing else: it
    gives every encounter the same risk, and calls every one readmitted, which is what F1 rewards.
    Such a risk is calibrated on average and tells nobody apart: its calibration slope counts as 0.

    Log loss is in nats, the calibration intercept in log-odds (with the slope fixed at 1).
    """

    rows: int
    prevalence: float
    auc: float
    average_precision: float
    brier: float
    log_loss: float
    f1: float
    precision: float
    recall: float
    calibration_slope: float
    calibration_intercept: float
    expected_calibration_error: float
    no_skill_auc: float
    no_skill_average_precision: float
    no_skill_brier: float
    no_skill_log_loss: float
    no_skill_f1: float
    no_skill_precision: float
    no_skill_recall: float
    no_skill_calibration_slope: float
    no_skill_calibration_intercept: float
    no_skill_expected_calibration_error: float

    @property
    def f1_gain(self) -> float:
        """F1 above that of calling everybody readmitted."""
        return self.f1 - self.no_skill_f1

    def to_json(self) -> dict[str, float]:
        """Return name and value of each metric."""
        return {name: float(value) for name, value in asdict(self).items()}


def measure(
    labels: Labels, risks: Probabilities, threshold: float, weights: Weights | None = None
) -> Metrics:
    """Measure risks of shape ``(rows,)`` against labels of 0 and 1, each row with its weight.

    The metrics are scikit-learn's; where its functions check their arguments for longer than they
    count, and the bootstrap calls them hundreds of times, their sums stand here.
    """
    weights = np.ones(labels.size) if weights is None else weights
    prevalence = float(np.average(labels, weights=weights))
    right = np.clip(np.where(labels == 1, risks, 1 - risks), _LEAST, 1)
    return Metrics(
        rows=labels.size,
        prevalence=prevalence,
        auc=weighted_auc(labels, risks)(weights),
        average_precision=float(average_precision_score(labels, risks, sample_weight=weights)),
        brier=float(np.average((risks - labels) ** 2, weights=weights)),
        log_loss=float(np.average(-np.log(right), weights=weights)),
        calibration_slope=calibration_slope(labels, risks, weights),
        calibration_intercept=calibration_intercept(labels, risks, weights),
        expected_calibration_error=reliability(labels, risks, weights).expected_error,
        **_at(labels, risks >= threshold, weights),
        **_no_skill(prevalence),
        # With the sums of the model's own: one that calls everybody gains exactly nothing.
        no_skill_f1=_at(labels, np.ones(labels.size, bool), weights)["f1"],
    )


def weighted_auc(labels: Labels, risks: Probabilities) -> Callable[[Weights], float]:
    """Return the AUC as a function of the rows' weights; shapes ``(rows,)``.

    It is scikit-learn's, which sorts and checks the same rows again for every draw and takes twenty
    times as long: a report needs it thousands of times.
    """
    _, place = np.unique(risks, return_inverse=True)
    positive = labels.astype(np.float64)

    def auc(weights: Weights) -> float:
        up = np.bincount(place, weights * positive)
        down = np.bincount(place, weights * (1 - positive))
        below = np.cumsum(down) - down / 2
        return float(up @ below / (up.sum() * down.sum()))

    return auc


def _at(labels: Labels, called: NDArray[np.bool_], weights: Weights) -> dict[str, float]:
    """Return F1, precision and recall; 0 where one has no denominator."""
    hits, positive = weights @ (labels * called), weights @ labels
    all_called = weights @ called
    return {
        "f1": float(2 * hits / (positive + all_called)),
        "precision": float(hits / all_called) if all_called else 0.0,
        "recall": float(hits / positive),
    }


def _no_skill(prevalence: float) -> dict[str, float]:
    return {
        "no_skill_auc": 0.5,
        "no_skill_average_precision": prevalence,
        "no_skill_brier": prevalence * (1 - prevalence),
        "no_skill_log_loss": float(entr(prevalence) + entr(1 - prevalence)),
        "no_skill_precision": prevalence,
        "no_skill_recall": 1.0,
        "no_skill_calibration_slope": 0.0,
        "no_skill_calibration_intercept": 0.0,
        "no_skill_expected_calibration_error": 0.0,
    }
