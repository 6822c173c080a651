"""What the dashboard and the report draw of a model's risks, thinned to about a hundred points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from components.evaluation.calibration import Labels, Probabilities, Reliability, reliability

_POINTS = 100
_RISKS = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit at each threshold, of the model and of treating everybody.

    True positives minus false positives, each of these weighed by the odds of the threshold, per
    row (Vickers and Elkin 2006, doi 10.1177/0272989X06295361). Treating nobody has net benefit 0.
    """

    thresholds: NDArray[np.float64]
    model: NDArray[np.float64]
    everybody: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Curves of one model on one set of rows.

    ``confusion`` holds rows of true classes (not readmitted, readmitted) by predicted ones.
    """

    false_positive_rate: list[float]
    true_positive_rate: list[float]
    thresholds: list[float]
    precision: list[float]
    recall: list[float]
    reliability: Reliability
    decision: DecisionCurve
    confusion: list[list[int]]


def curves(labels: Labels, risks: Probabilities, threshold: float) -> Curves:
    """Return the curves of risks of shape ``(rows,)``."""
    false, true, cuts = roc_curve(labels, risks)
    precision, recall, _ = precision_recall_curve(labels, risks)
    return Curves(
        _thinned(false),
        _thinned(true),
        _thinned(np.minimum(cuts, 1.0)),  # the first threshold is infinite
        _thinned(precision),
        _thinned(recall),
        reliability(labels, risks, np.ones(labels.size)),
        decision_curve(labels, risks),
        confusion_matrix(labels, risks >= threshold, labels=[0, 1]).tolist(),
    )


def decision_curve(labels: Labels, risks: Probabilities) -> DecisionCurve:
    """Return the net benefit of acting on risks of shape ``(rows,)``."""
    odds = _RISKS / (1 - _RISKS)
    positive, negative = (np.sort(risks[labels == value]) for value in (1, 0))
    called = [side.size - np.searchsorted(side, _RISKS) for side in (positive, negative)]
    model = (called[0] - called[1] * odds) / labels.size
    return DecisionCurve(_RISKS, model, (positive.size - negative.size * odds) / labels.size)


def _thinned(values: NDArray[Any]) -> list[float]:
    keep = np.unique(np.linspace(0, values.size - 1, _POINTS).astype(int))
    thinned: list[float] = values[keep].tolist()
    return thinned
