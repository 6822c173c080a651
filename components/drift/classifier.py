"""A classifier two-sample test: can a model tell the batch's encounters from the reference's?

It sees what no single column shows. Lopez-Paz and Oquab 2017 (arXiv 1610.06545).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from components.drift.auc import Estimate, auc
from components.drift.pair import Coded, Ints, Pair, uniform

ROWS = 5_000
"""Most rows of each side: enough for an interval of +- 0.01."""

MINIMUM_ROWS = 50
_LEVELS = 64


def classifier_test(pair: Pair) -> Estimate | None:
    """Return the AUC of telling batch from reference, on one encounter a patient.

    Half of the patients train a boosted model that is tested on the other half, and the reverse;
    the two AUCs, of different patients, are averaged.

    Returns:
        ``None`` when a side has fewer than ``MINIMUM_ROWS`` patients.
    """
    chance = uniform(pair.patients)
    sides = [_chosen(pair, side, chance) for side in (~pair.in_batch, pair.in_batch)]
    if min(side.size for side in sides) < MINIMUM_ROWS:
        return None
    rows = np.concatenate(sides)
    matrix = np.column_stack([_ordinal(c)[c.codes[rows]] for c in pair.columns.values()])
    side = pair.in_batch[rows].astype(np.int8)
    # Alternating over rows in the order of their hash: halves of equal size on both sides.
    half = np.concatenate([np.arange(part.size) % 2 for part in sides])
    folds = [_fold(matrix, side, half == test, pair.patients[rows]) for test in (0, 1)]
    low, high = folds
    if low is None or high is None:
        return None
    return Estimate((low.value + high.value) / 2, float(np.hypot(low.se, high.se) / 2))


def _chosen(pair: Pair, side: NDArray[np.bool_], chance: NDArray[np.float64]) -> Ints:
    rows = np.flatnonzero(side & pair.independent)
    return rows[np.argsort(chance[rows], kind="stable")][:ROWS]


def _fold(
    matrix: NDArray[np.float32],
    side: NDArray[np.int8],
    test: NDArray[np.bool_],
    patients: Ints,
) -> Estimate | None:
    with threadpool_limits(1):  # two threads gain nothing here, and wait long on a busy machine
        model = _classifier().fit(matrix[~test], side[~test])
        scores = model.decision_function(matrix[test])
    return auc(side[test], scores, patients[test])


def _classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=30,
        max_leaf_nodes=15,
        learning_rate=0.2,
        min_samples_leaf=30,
        max_bins=_LEVELS,
        early_stopping=False,
        random_state=0,
        class_weight="balanced",
    )


def _ordinal(column: Coded) -> NDArray[np.float32]:
    """Return a number for each level: itself, or its place by frequency, which trees can cut."""
    if column.values is not None:
        return column.values.astype(np.float32)
    counts = np.bincount(column.codes, minlength=len(column.levels))
    place = np.empty(counts.size, dtype=np.float32)
    place[np.argsort(-counts, kind="stable")] = np.arange(counts.size)
    return np.minimum(place, _LEVELS - 1)
