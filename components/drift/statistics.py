"""How far each column of the batch lies from the reference, and how surely it does."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.special import kolmogorov
from scipy.stats import chi2, false_discovery_control, wasserstein_distance

from components.drift.pair import RARE_SHARE, Coded, Ints, Mask, Pair
from components.schema import Kind

Shares = NDArray[np.float64]

_FLOOR = 1e-4
_BINS = 10


class Measure(StrEnum):
    """What a column's ``distance`` is."""

    WASSERSTEIN = "W1 / sd"
    JENSEN_SHANNON = "JS"


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column of the batch against the reference.

    Effects are those of all rows; ``p`` is that of one row a patient.

    Attributes:
        column: its name.
        psi: population stability index.
        measure: what ``distance`` is.
        distance: Wasserstein distance in the reference's standard deviations where levels have
            an order, else the Jensen-Shannon distance (base 2) of categories.
        effect: Cohen's d of a number, Cramér's V of categories.
        p: of the Kolmogorov-Smirnov test, or of the chi-squared test.
        p_adjusted: the same after Benjamini and Hochberg, over all columns.
        missing_before: share of missing values in the reference.
        missing_after: share of missing values in the batch.
        new: share of the batch's rows whose level the reference does not hold; of categories.
    """

    column: str
    psi: float
    measure: Measure
    distance: float
    effect: float
    p: float
    p_adjusted: float
    missing_before: float
    missing_after: float
    new: float

    def to_json(self) -> dict[str, Any]:
        """Return the column as plain JSON."""
        return asdict(self)


def column_drifts(pair: Pair) -> list[ColumnDrift]:
    """Return every feature's shift, that of the largest PSI first.

    Numbers are cut at the reference's deciles for the PSI; other columns are compared level by
    level, levels rare on both sides pooled. The correction over columns is that of Benjamini and
    Hochberg 1995 (doi 10.1111/j.2517-6161.1995.tb02031.x).
    """
    found = [_column(name, column, pair) for name, column in pair.columns.items()]
    adjusted = false_discovery_control([drift.p for drift in found])
    corrected = [replace(d, p_adjusted=float(p)) for d, p in zip(found, adjusted, strict=True)]
    return sorted(corrected, key=lambda drift: -drift.psi)


def psi(expected: Shares, actual: Shares) -> float:
    """Return the population stability index (Siddiqi 2006, Credit Risk Scorecards, ch. 9)."""
    expected, actual = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def bins(column: Coded, before: Ints, after: Ints) -> Ints:
    """Return the bin of each level: a decile of the reference, or the level, rare ones pooled."""
    missing = column.missing
    if column.kind is Kind.NUMBER:
        below = np.cumsum(np.where(missing, 0, before)) / max(1, before[~missing].sum())
        cuts = np.searchsorted(below, np.linspace(0, 1, _BINS + 1)[1:-1] - 1e-12)
        numbers = np.searchsorted(np.unique(cuts), np.arange(before.size), side="left")
        return np.where(missing, _BINS, numbers).astype(np.int64)
    common = (before >= RARE_SHARE * before.sum()) | (after >= RARE_SHARE * after.sum())
    return np.where(common, np.cumsum(common) - 1, common.sum()).astype(np.int64)


def _column(name: str, column: Coded, pair: Pair) -> ColumnDrift:
    before, after = column.counts(~pair.in_batch), column.counts(pair.in_batch)
    bin_of = bins(column, before, after)
    old, new = _binned(before, bin_of), _binned(after, bin_of)
    sure_old, sure_new = (column.counts(s & pair.independent) for s in _sides(pair))
    if column.values is not None:
        measure = Measure.WASSERSTEIN
        distance, effect = _moved(column.values, before, after)
        p = _ks(sure_old[~column.missing], sure_new[~column.missing])
    else:
        measure, distance = Measure.JENSEN_SHANNON, _jensen_shannon(old, new)
        effect = np.sqrt(_chi_squared(old, new)[0] / (old.sum() + new.sum()))
        p = chi2_p(_binned(sure_old, bin_of), _binned(sure_new, bin_of))
    missing = column.missing
    return ColumnDrift(
        name,
        psi=psi(old / old.sum(), new / new.sum()),
        measure=measure,
        distance=float(distance),
        effect=float(effect),
        p=p,
        p_adjusted=p,
        missing_before=float(before[missing].sum() / before.sum()),
        missing_after=float(after[missing].sum() / after.sum()),
        new=0.0 if column.kind is Kind.NUMBER else float(after[before == 0].sum() / after.sum()),
    )


def _sides(pair: Pair) -> tuple[Mask, Mask]:
    return ~pair.in_batch, pair.in_batch


def _binned(counts: Ints, bin_of: Ints) -> NDArray[np.float64]:
    return np.bincount(bin_of, weights=counts).astype(np.float64)


def _moved(values: Shares, before: Ints, after: Ints) -> tuple[float, float]:
    """Return the scaled Wasserstein distance and Cohen's d (Cohen 1988, ch. 2) of a number."""
    known = ~np.isnan(values)
    values, before, after = values[known], before[known], after[known]
    if not before.sum() or not after.sum():
        return 0.0, 0.0
    (old, old_sd), (new, new_sd) = _moments(values, before), _moments(values, after)
    pooled = float(np.sqrt((old_sd**2 + new_sd**2) / 2))
    scale = old_sd or pooled or abs(new - old) or 1.0
    return (
        wasserstein_distance(values, values, before, after) / scale,
        (new - old) / (pooled or scale),
    )


def _moments(values: Shares, counts: Ints) -> tuple[float, float]:
    mean = float(np.average(values, weights=counts))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))


def _jensen_shannon(old: Shares, new: Shares) -> float:
    """Return the distance of Endres and Schindelin 2003 (doi 10.1109/TIT.2003.813506)."""
    return float(np.nan_to_num(jensenshannon(old, new, base=2)))  # rounding may root below zero


def _ks(before: Ints, after: Ints) -> float:
    """Return the asymptotic p of Kolmogorov and Smirnov; conservative where values tie."""
    if not before.sum() or not after.sum():
        return 1.0
    old, new = before / before.sum(), after / after.sum()
    largest = np.abs(np.cumsum(old) - np.cumsum(new)).max()
    rows = before.sum() * after.sum() / (before.sum() + after.sum())
    return float(kolmogorov(np.sqrt(rows) * largest))


def _chi_squared(before: Shares, after: Shares) -> tuple[float, int]:
    """Return Pearson's statistic of a 2 x levels table and its degrees of freedom."""
    table = np.stack([before, after])[:, before + after > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0, 0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(np.sum((table - expected) ** 2 / expected)), table.shape[1] - 1


def chi2_p(before: Shares, after: Shares) -> float:
    """Return the p of Pearson's chi-squared test of homogeneity."""
    statistic, freedom = _chi_squared(before, after)
    return float(chi2.sf(statistic, freedom)) if freedom else 1.0
