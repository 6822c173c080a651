"""95 % intervals by drawing patients.

Whole patients are drawn with replacement, since the encounters of one are not independent (Field
and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from components.evaluation.calibration import Labels, Probabilities, Weights
from components.evaluation.metrics import MEASURED, Metrics, measure, weighted_auc

DRAWS = 200
WITH_INTERVAL = (*MEASURED, "f1_gain")
"""What of :class:`Metrics` has an interval; that of the gain pairs F1 with its no-skill value."""

_LEVELS = [0.025, 0.975]

Patients = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval.

    What cannot be below zero, such as the expected calibration error, rises when it is drawn
    again: such an interval may lie above its value.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return value, low and high."""
        return asdict(self)


def metric_intervals(
    labels: Labels,
    risks: Probabilities,
    threshold: float,
    patients: Patients,
    *,
    seed: int,
    draws: int = DRAWS,
) -> tuple[Metrics, dict[str, Interval]]:
    """Measure a model, with the intervals of :data:`WITH_INTERVAL`; shapes ``(rows,)``."""
    values = attrgetter(*WITH_INTERVAL)
    metrics = measure(labels, risks, threshold)
    found = [
        values(measure(labels, risks, threshold, weights))
        for weights in drawn_weights(labels, patients, seed, draws)
    ]
    return metrics, dict(zip(WITH_INTERVAL, _intervals(values(metrics), found), strict=True))


def auc_interval(
    labels: Labels,
    risks: Probabilities,
    patients: Patients,
    *,
    seed: int,
    draws: int = DRAWS,
) -> Interval:
    """Return the AUC with its interval; shapes ``(rows,)``."""
    return _interval(weighted_auc(labels, risks), labels, patients, seed, draws)


def paired_auc_difference(
    labels: Labels,
    candidate: Probabilities,
    production: Probabilities,
    patients: Patients,
    *,
    seed: int,
    draws: int = DRAWS,
) -> Interval:
    """Return candidate AUC minus production AUC; both models score each draw.

    Args:
        labels: 0 or 1, shape ``(rows,)``.
        candidate: its probabilities, shape ``(rows,)``.
        production: its probabilities, shape ``(rows,)``.
        patients: patient of each row, shape ``(rows,)``.
        seed: of the draws.
        draws: number of bootstrap samples.
    """
    new, old = (weighted_auc(labels, risks) for risks in (candidate, production))

    def difference(weights: Weights) -> float:
        return new(weights) - old(weights)

    return _interval(difference, labels, patients, seed, draws)


def drawn_weights(
    labels: Labels, patients: Patients, seed: int, draws: int
) -> Iterator[NDArray[np.float64]]:
    """Yield how often each row is in each draw; a draw of one class alone is left out."""
    _, patient = np.unique(patients, return_inverse=True)
    rng, size = np.random.default_rng(seed), int(patient.max()) + 1
    for _ in range(draws):
        weights = np.bincount(rng.integers(0, size, size), minlength=size)[patient]
        if np.unique(labels[weights > 0]).size == 2:
            yield weights.astype(np.float64)


def _interval(
    statistic: Callable[[Weights], float],
    labels: Labels,
    patients: Patients,
    seed: int,
    draws: int,
) -> Interval:
    found = [[statistic(weights)] for weights in drawn_weights(labels, patients, seed, draws)]
    return _intervals([statistic(np.ones(labels.size))], found)[0]


def _intervals(values: Sequence[float], found: Sequence[Sequence[float]]) -> list[Interval]:
    low, high = np.quantile(np.array(found), _LEVELS, axis=0)
    return [Interval(*bounds) for bounds in zip(values, low.tolist(), high.tolist(), strict=True)]
