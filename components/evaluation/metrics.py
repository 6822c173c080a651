"""Metrics of a binary risk, each with the value that a model without skill would reach."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    roc_auc_score,
    roc_curve,
)

Labels = NDArray[np.int8]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Metrics:
    """Metrics of one model on one set of rows.

    The ``no_skill`` values are those of a model that knows the prevalence and nothing else: it
    gives every encounter the same risk, and calls every one readmitted where that helps F1.
    """

    rows: int
    prevalence: float
    auc: float
    average_precision: float
    brier: float
    f1: float
    no_skill_auc: float
    no_skill_average_precision: float
    no_skill_brier: float
    no_skill_f1: float

    def to_json(self) -> dict[str, float]:
        """Return name and value of each metric."""
        return {name: float(value) for name, value in asdict(self).items()}


def measure(labels: Labels, probabilities: Probabilities, threshold: float) -> Metrics:
    """Measure probabilities of shape ``(rows,)`` against labels of 0 and 1."""
    prevalence = float(labels.mean())
    return Metrics(
        rows=labels.size,
        prevalence=prevalence,
        auc=float(roc_auc_score(labels, probabilities)),
        average_precision=float(average_precision_score(labels, probabilities)),
        brier=float(brier_score_loss(labels, probabilities)),
        f1=float(f1_score(labels, probabilities >= threshold)),
        no_skill_auc=0.5,
        no_skill_average_precision=prevalence,
        no_skill_brier=prevalence * (1 - prevalence),
        no_skill_f1=2 * prevalence / (1 + prevalence),
    )


@dataclass(frozen=True)
class Curves:
    """The ROC curve, thinned to at most about a hundred points, and the confusion matrix.

    ``confusion`` holds rows of true classes (not readmitted, readmitted) by predicted ones.
    """

    false_positive_rate: list[float]
    true_positive_rate: list[float]
    thresholds: list[float]
    confusion: list[list[int]]


def curves(labels: Labels, probabilities: Probabilities, threshold: float) -> Curves:
    """Return what the dashboard draws of probabilities of shape ``(rows,)``."""
    false, true, cuts = roc_curve(labels, probabilities)
    keep = np.unique(np.linspace(0, false.size - 1, 100).astype(int))
    return Curves(
        false[keep].tolist(),
        true[keep].tolist(),
        np.minimum(cuts[keep], 1.0).tolist(),  # the first threshold is infinite
        confusion_matrix(labels, probabilities >= threshold, labels=[0, 1]).tolist(),
    )


@dataclass(frozen=True)
class Interval:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float


def paired_auc_difference(
    labels: Labels,
    candidate: Probabilities,
    production: Probabilities,
    patients: NDArray[np.int64],
    *,
    seed: int,
    draws: int = 200,
) -> Interval:
    """Return candidate AUC minus production AUC with a bootstrap interval by patient.

    Whole patients are drawn with replacement, since the encounters of one are not independent
    (Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x); both models score each draw.

    Args:
        labels: 0 or 1, shape ``(rows,)``.
        candidate: its probabilities, shape ``(rows,)``.
        production: its probabilities, shape ``(rows,)``.
        patients: patient of each row, shape ``(rows,)``.
        seed: of the draws.
        draws: number of bootstrap samples.
    """
    value = float(roc_auc_score(labels, candidate) - roc_auc_score(labels, production))
    _, patient = np.unique(patients, return_inverse=True)
    rng, size = np.random.default_rng(seed), int(patient.max()) + 1
    found = []
    for _ in range(draws):
        weight = np.bincount(rng.integers(0, size, size), minlength=size)[patient]
        if np.unique(labels[weight > 0]).size == 2:
            new = roc_auc_score(labels, candidate, sample_weight=weight)
            found.append(new - roc_auc_score(labels, production, sample_weight=weight))
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(value, float(low), float(high))
