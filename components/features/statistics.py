"""Target statistics: how much likelier than usual a readmission is with a value of a column.

A statistic of a row must not know the row's own label: a code that occurs once would carry it. So
the patients fall into folds, and the rows of a fold take their statistics from the other folds;
rows that are not of the training take them from all. Rare values are drawn to the prevalence, and
rare ICD-9 codes to their category's risk, categories to their chapter's (empirical Bayes, as in
Micci-Barreca 2001, doi 10.1145/507533.507538).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.features import icd9
from components.features.block import Block, Combine, Key, Vector
from components.ingest.split import spread
from components.schema import MISSING, Kind, Schema

FOLDS = 5
PRIOR_ROWS = 20.0
"""Rows of the prior that a value's own rows are weighed against."""

_DRAW = 1
FLAT = (
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
    "payer_code",
    "medical_specialty",
)
Numbers = NDArray[np.float64]
Counts = Mapping[str, tuple[float, float]]


def patient_folds(patients: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold, 0 to ``FOLDS`` - 1, of each patient number."""
    return (spread(patients, _DRAW) * FOLDS).astype(np.int64)


@dataclass(frozen=True)
class Tally:
    """Rows and positive rows of each value of a column, by fold; shapes ``(folds, values)``."""

    values: tuple[str, ...]
    rows: Numbers
    positive: Numbers

    def without(self, fold: int | None) -> Counts:
        """Return rows and positive rows by value that occurs, over all folds but one."""
        kept = [number for number in range(FOLDS) if number != fold]
        rows, positive = (
            counts[kept].sum(axis=0).tolist() for counts in (self.rows, self.positive)
        )
        return {v: (n, s) for v, n, s in zip(self.values, rows, positive, strict=True) if n}


def tally(column: pa.ChunkedArray, labels: NDArray[np.int8], folds: NDArray[np.int64]) -> Tally:
    """Count the rows of each value of a column, of whatever type, by fold."""
    coded = column.combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    values = tuple(str(value) for value in coded.dictionary.to_pylist())
    cells = folds * len(values) + coded.indices.to_numpy(zero_copy_only=False)
    shape = (FOLDS, len(values))
    rows, positive = (
        np.bincount(cells[kept], minlength=FOLDS * len(values)).reshape(shape).astype(np.float64)
        for kept in (slice(None), labels == 1)
    )
    return Tally(values, rows, positive)


class TargetStatistics:
    """The tallies of one training table, from which each fold's tables come."""

    def __init__(self, train: pa.Table, labels: NDArray[np.int8], schema: Schema) -> None:
        self._folds = patient_folds(train["patient_nbr"].to_numpy())
        self._labels = labels
        self._diagnoses = tuple(c.name for c in schema.features if c.kind is Kind.ICD9)
        self._tallies = {
            name: tally(train[name], labels, self._folds) for name in (*FLAT, *self._diagnoses)
        }

    def blocks(self, fold: int | None = None) -> tuple[Block, ...]:
        """Return the blocks for the rows of a training fold, or for all rows but the training's."""
        counts = {name: tally.without(fold) for name, tally in self._tallies.items()}
        prior = self._prevalence(fold)
        flat = (_by_value(name, counts[name], prior) for name in FLAT)
        single = (_by_code((name,), counts[name], prior) for name in self._diagnoses)
        pooled = _pooled([counts[name] for name in self._diagnoses])
        anywhere = (_by_code(self._diagnoses, pooled, prior, how) for how in Combine)
        return (*flat, *single, *anywhere)

    def _prevalence(self, fold: int | None) -> float:
        """Return the share of positive labels; never 0 or 1, whose log-odds are infinite."""
        kept = self._labels if fold is None else self._labels[self._folds != fold]
        return (float(kept.sum()) + 0.5) / (kept.size + 1)


def _by_value(name: str, counts: Counts, prior: float) -> Block:
    risks = _risks(counts, str, lambda _: prior)
    return Block((f"risk({name})",), (name,), _vectors(risks, prior), other=(0.0,))


def _by_code(
    names: tuple[str, ...], counts: Counts, prior: float, how: Combine = Combine.SUM
) -> Block:
    """Return the risk of a code; of one that is not known, that of its category or chapter."""
    chapters = _risks(counts, icd9.chapter, lambda _: prior)
    categories = _risks(counts, icd9.category, lambda code: chapters[icd9.chapter(code)])
    codes = _risks(counts, str, lambda code: categories[icd9.category(code)])
    coarser = ((Key.CATEGORY, categories), (Key.CHAPTER, chapters))
    return Block(
        outputs=(f"risk({names[0]})" if len(names) == 1 else f"{how.value}(risk(diagnoses))",),
        sources=names,
        table=_vectors(codes, prior),
        other=(0.0,),
        combine=how,
        backoff=tuple((key, _vectors(risks, prior)) for key, risks in coarser),
    )


def _pooled(columns: Sequence[Counts]) -> Counts:
    """Add the counts of the diagnoses up; a diagnosis that is not there says nothing."""
    total: dict[str, tuple[float, float]] = {}
    for counts in columns:
        for code, (rows, positive) in counts.items():
            before = total.get(code, (0.0, 0.0))
            total[code] = (before[0] + rows, before[1] + positive)
    total.pop(MISSING, None)
    return total


def _risks(
    counts: Counts, key: Callable[[str], str], prior: Callable[[str], float]
) -> dict[str, float]:
    """Return the risk of each key of the values, drawn to the prior that its values give."""
    total: dict[str, tuple[float, float, float]] = {}
    for value, (rows, positive) in counts.items():
        before = total.get(key(value), (0.0, 0.0, 0.0))
        total[key(value)] = (before[0] + rows, before[1] + positive, prior(value))
    return {k: (s + PRIOR_ROWS * p) / (n + PRIOR_ROWS) for k, (n, s, p) in total.items()}


def _vectors(risks: Mapping[str, float], prior: float) -> dict[str, Vector]:
    """Return log-odds against the prior's; rounded, which shortens the bundle."""
    return {key: (round(_logit(risk) - _logit(prior), 6),) for key, risk in sorted(risks.items())}


def _logit(risk: float) -> float:
    return math.log(risk / (1 - risk))
