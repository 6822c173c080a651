"""Metrics of a binary risk, each with the value that a model without skill would reach."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from components.evaluation.calibration import (
    Labels,
    Probabilities,
    calibration_intercept,
    calibration_slope,
    reliability,
)

MEASURED = (
    "auc", "average_precision", "brier", "log_loss", "f1", "precision", "recall",
    "calibration_slope", "calibration_intercept", "expected_calibration_error",
)  # fmt: skip
"""Names of the metrics; each has a ``no_skill_`` value beside it."""


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

    def to_json(self) -> dict[str, float]:
        """Return name and value of each metric."""
        return {name: float(value) for name, value in asdict(self).items()}


def measure(
    labels: Labels,
    risks: Probabilities,
    threshold: float,
    weights: NDArray[np.float64] | None = None,
) -> Metrics:
    """Measure risks of shape ``(rows,)`` against labels of 0 and 1, each row with its weight."""
    weights = np.ones(labels.size) if weights is None else weights
    prevalence = float(np.average(labels, weights=weights))
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, risks >= threshold, average="binary", sample_weight=weights, zero_division=0.0
    )
    return Metrics(
        rows=labels.size,
        prevalence=prevalence,
        auc=float(roc_auc_score(labels, risks, sample_weight=weights)),
        average_precision=float(average_precision_score(labels, risks, sample_weight=weights)),
        brier=float(brier_score_loss(labels, risks, sample_weight=weights)),
        log_loss=float(log_loss(labels, risks, sample_weight=weights, labels=[0, 1])),
        f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        calibration_slope=calibration_slope(labels, risks, weights),
        calibration_intercept=calibration_intercept(labels, risks, weights),
        expected_calibration_error=reliability(labels, risks, weights).expected_error,
        **_no_skill(prevalence),
    )


def _no_skill(prevalence: float) -> dict[str, float]:
    return {
        "no_skill_auc": 0.5,
        "no_skill_average_precision": prevalence,
        "no_skill_brier": prevalence * (1 - prevalence),
        "no_skill_log_loss": float(entr(prevalence) + entr(1 - prevalence)),
        "no_skill_f1": 2 * prevalence / (1 + prevalence),
        "no_skill_precision": prevalence,
        "no_skill_recall": 1.0,
        "no_skill_calibration_slope": 0.0,
        "no_skill_calibration_intercept": 0.0,
        "no_skill_expected_calibration_error": 0.0,
    }
