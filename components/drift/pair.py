"""Reference and batch side by side: every column as one array of level numbers.

All statistics are functions of how often each level occurs on each side, so each column is turned
into level numbers once, whatever is computed of it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.schema import MISSING, Column, Kind, Schema

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Level = int | str | None

ORDERED = ("age",)
"""Categories whose schema lists them in order and which are never missing: compared as numbers."""

RARE_SHARE = 0.01
"""Levels rarer than this on both sides are pooled: hundreds of rare ICD-9 codes would add their
sampling noise up to a shift that is none."""


@dataclass(frozen=True)
class Coded:
    """One column: its distinct levels, and the number of each row's level.

    ``values`` places the levels of a number, or of the age's bands, on a line; ``None`` for levels
    without an order.
    """

    kind: Kind
    levels: tuple[Level, ...]
    codes: Ints
    values: NDArray[np.float64] | None = None

    def counts(self, rows: Mask) -> Ints:
        """Return how many of the chosen rows hold each level."""
        return np.bincount(self.codes[rows], minlength=len(self.levels))

    @property
    def missing(self) -> Mask:
        """Which levels stand for a missing value."""
        return np.array([level is None or level == MISSING for level in self.levels], dtype=bool)


@dataclass(frozen=True)
class Pair:
    """Rows of both sides in one sequence.

    Attributes:
        columns: every feature.
        in_batch: which rows are the batch's; the others are the reference's.
        independent: one row a patient, see :func:`one_a_patient`.
        patients: patient of each row.
    """

    columns: Mapping[str, Coded]
    in_batch: Mask
    independent: Mask
    patients: Ints


def pair(reference: pa.Table, batch: pa.Table, schema: Schema) -> Pair:
    """Put two tables of encounters side by side."""
    both = pa.concat_tables(
        [t.select(list(schema.names)).replace_schema_metadata() for t in (reference, batch)],
        promote_options="permissive",
    )
    columns = {column.name: coded(both[column.name], column) for column in schema.features}
    in_batch = np.arange(both.num_rows) >= reference.num_rows
    patients = both["patient_nbr"].to_numpy()
    chosen = one_a_patient(patients, both["encounter_id"].to_numpy())
    return Pair(columns, in_batch, chosen, patients)


def coded(values: pa.ChunkedArray, column: Column) -> Coded:
    """Number a column's levels; of ICD-9 codes what precedes the decimal point counts."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    raw = encoded.dictionary.to_pylist()
    if column.kind is Kind.ICD9:
        raw = [level if level is None else level.partition(".")[0] for level in raw]
    levels = tuple(sorted(set(raw), key=lambda level: (level is None, level)))
    place = {level: number for number, level in enumerate(levels)}
    numbers = np.array([place[level] for level in raw], dtype=np.int64)
    codes = numbers[encoded.indices.to_numpy(zero_copy_only=False)]
    return Coded(column.kind, levels, codes, _values(levels, column))


def _values(levels: tuple[Level, ...], column: Column) -> NDArray[np.float64] | None:
    if column.kind is Kind.NUMBER:
        return np.array([np.nan if level is None else level for level in levels], dtype=float)
    if column.name in ORDERED:
        return np.array([column.values.index(level) for level in levels], dtype=float)
    return None


def one_a_patient(patients: Ints, encounters: Ints) -> Mask:
    """Choose one encounter of each patient by a hash, from both sides together.

    Tests assume independent rows, and a patient's encounters are not. Choosing from both sides
    together gives a patient's encounter the same chance to stand for either side however often the
    patient came; the first encounter of each side would not: a longer window holds more of a
    patient's encounters, and the first of more has fewer earlier stays.
    """
    order = np.argsort(uniform(encounters), kind="stable")
    _, first = np.unique(patients[order], return_index=True)
    chosen = np.zeros(patients.size, dtype=bool)
    chosen[order[first]] = True
    return chosen


def uniform(numbers: Ints) -> NDArray[np.float64]:
    """Return a fixed number in [0, 1) for each number: splitmix64's finaliser.

    Source: Steele et al. 2014, doi 10.1145/2660193.2660195. The constant that is added differs from
    that of the split by patient, so that a share of patients chosen here is one of every side.
    """
    x = numbers.astype(np.uint64) + np.uint64(0x2545F4914F6CDD1D)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) / np.float64(2**64)
