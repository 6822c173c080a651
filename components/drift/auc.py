"""AUC with a standard error that knows that a patient's encounters belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

_Z95 = float(norm.ppf(0.975))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its standard error."""

    value: float
    se: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - _Z95 * self.se

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + _Z95 * self.se

    def to_json(self) -> dict[str, float]:
        """Return value, standard error and interval as plain JSON."""
        return {"value": self.value, "se": self.se, "low": self.low, "high": self.high}


def auc(
    labels: NDArray[np.int8], scores: NDArray[np.float64], patients: NDArray[np.int64]
) -> Estimate | None:
    """Return the AUC of scores of shape ``(rows,)``, ``None`` where a label is absent.

    The standard error is that of DeLong et al. 1988 (doi 10.2307/2531595), its placement values by
    ranks (Sun and Xu 2014, doi 10.1109/LSP.2014.2337313), summed by patient before they are squared
    (Obuchowski 1997, doi 10.2307/2533958).
    """
    positive = labels == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return None
    ranks, placed = rankdata(scores), np.empty(labels.size)
    placed[positive] = (ranks[positive] - rankdata(scores[positive])) / n
    placed[~positive] = 1 - (ranks[~positive] - rankdata(scores[~positive])) / m
    value = float(placed[positive].mean())
    influence = (placed - value) / np.where(positive, m, n)
    return Estimate(value, clustered_se(influence, patients))


def clustered_se(influence: NDArray[np.float64], patients: NDArray[np.int64]) -> float:
    """Return the standard error of a sum of rows' influences, of which a patient's go together."""
    _, patient = np.unique(patients, return_inverse=True)
    sums = np.bincount(patient, weights=influence)
    return float(np.sqrt(np.sum(sums**2) * sums.size / max(1, sums.size - 1)))


def auc_error(value: float, positives: float, negatives: float) -> float:
    """Return the standard error of an AUC of which only the counts are known.

    Source: Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.
    """
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (q1 - value**2)
    spread += (negatives - 1) * (q2 - value**2)
    return float(np.sqrt(max(0.0, spread) / (positives * negatives)))
