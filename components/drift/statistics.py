"""Population stability index of each column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.schema import Kind, Schema

_FLOOR = 1e-4
_BINS = 10
_RARE_SHARE = 0.01
"""Levels rarer than this in the reference are pooled: hundreds of rare ICD-9 codes would add their
sampling noise up to a shift that is none."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column's distance between the reference and the batch."""

    column: str
    psi: float


def column_drifts(reference: pa.Table, batch: pa.Table, schema: Schema) -> list[ColumnDrift]:
    """Return every feature's PSI, largest first.

    Numbers are cut at the reference's deciles; other columns are compared level by level, rare ones
    pooled, ICD-9 codes by what precedes the decimal point.
    """
    drifts = [
        ColumnDrift(
            column.name, _psi(*_shares(reference[column.name], batch[column.name], column.kind))
        )
        for column in schema.features
    ]
    return sorted(drifts, key=lambda drift: -drift.psi)


def _psi(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Return the population stability index (Siddiqi 2006, Credit Risk Scorecards, ch. 9)."""
    expected, actual = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _shares(
    reference: pa.ChunkedArray, batch: pa.ChunkedArray, kind: Kind
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if kind is Kind.NUMBER:
        old, new = reference.to_numpy(), batch.to_numpy()
        cuts = np.unique(np.quantile(old, np.linspace(0, 1, _BINS + 1)[1:-1]))
        return _number_shares(old, cuts), _number_shares(new, cuts)
    before, after = _levels(reference, kind), _levels(batch, kind)
    common = [level for level, n in before.items() if n >= _RARE_SHARE * len(reference)]
    return _level_shares(before, common), _level_shares(after, common)


def _number_shares(values: NDArray[np.int64], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    bins = np.searchsorted(cuts, values, side="left")
    return np.bincount(bins, minlength=cuts.size + 1) / values.size


def _levels(values: pa.ChunkedArray, kind: Kind) -> dict[object, int]:
    counts: dict[object, int] = {}
    for entry in values.value_counts().to_pylist():
        level = entry["values"]
        if kind is Kind.ICD9:
            level = level.partition(".")[0]
        counts[level] = counts.get(level, 0) + entry["counts"]
    return counts


def _level_shares(counts: dict[object, int], common: list[object]) -> NDArray[np.float64]:
    """Return the share of each common level, and last that of all others together."""
    found = [counts.get(level, 0) for level in common]
    total = sum(counts.values())
    shares: NDArray[np.float64] = np.array([*found, total - sum(found)]) / total
    return shares
