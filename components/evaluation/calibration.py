"""How well risks agree with what happened.

Van Calster et al. 2019, "Calibration: the Achilles heel of predictive analytics", doi
10.1186/s12916-019-1466-7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

Labels = NDArray[np.int8]
Probabilities = NDArray[np.float64]
Weights = NDArray[np.float64]

BINS = 10
_EDGE = 1e-7
_MOST_SHIFT = 40.0
_ALMOST_NO_PENALTY = 1e6  # without any, perfectly told classes have no finite slope


@dataclass(frozen=True)
class Reliability:
    """Rows binned by risk: mean risk, share of positive rows and weight of each bin."""

    risk: NDArray[np.float64]
    rate: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """Mean distance of risk and rate over the bins, each weighed by its rows."""
        return float(np.average(np.abs(self.risk - self.rate), weights=self.weight))


def reliability(labels: Labels, risks: Probabilities, weights: Weights) -> Reliability:
    """Bin rows by deciles of their risk; shapes ``(rows,)``.

    Bins of equal size, since bins of equal width leave most of them almost empty (Nguyen and
    O'Connor 2015, arXiv 1508.05154).
    """
    edges = np.unique(np.quantile(risks, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, risks, side="right")
    total = np.bincount(place, weights).astype(np.float64)
    inside = total > 0
    risk, rate = (np.bincount(place, weights * v)[inside] / total[inside] for v in (risks, labels))
    return Reliability(risk, rate, total[inside])


def calibration_slope(labels: Labels, risks: Probabilities, weights: Weights) -> float:
    """Return the slope of a logistic regression of the labels on the logit of the risks.

    1 is ideal; below 1 the risks are too extreme, above 1 too timid; 0 says nothing of the labels.
    """
    logits = _logits(risks)
    if np.ptp(logits) == 0:
        return 0.0
    line = LogisticRegression(C=_ALMOST_NO_PENALTY, solver="newton-cholesky", tol=1e-6)
    line.fit(logits.reshape(-1, 1), labels, sample_weight=weights)
    return float(line.coef_[0, 0])


def calibration_intercept(labels: Labels, risks: Probabilities, weights: Weights) -> float:
    """Return by how much the risks are too low on average, in log-odds (slope fixed at 1)."""
    logits, positive = _logits(risks), float(weights @ labels)

    def lacking(shift: float) -> float:
        return positive - float(weights @ expit(logits + shift))

    return float(brentq(lacking, -_MOST_SHIFT, _MOST_SHIFT))


def _logits(risks: Probabilities) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(risks, _EDGE, 1 - _EDGE)))
