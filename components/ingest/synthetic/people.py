"""Tables of the real file's patients: how often they come, when, and who they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.ingest.synthetic.levels import SMALLEST_CELL, Coded
from components.ingest.synthetic.sampling import Ints
from components.ingest.synthetic.tables import PERSON

BUCKETS = (1, 2, 3, 5, 10)
"""Least number of encounters in each size bucket of patients."""


def running_number(patient: Ints) -> Ints:
    """Return how many earlier rows carry the same number, shape (rows,)."""
    order = np.argsort(patient, kind="stable")
    ordered = patient[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    length = np.diff(np.r_[starts, patient.size])
    number = np.empty_like(patient)
    number[order] = np.arange(patient.size) - np.repeat(starts, length)
    return number


def patient_tables(patient: Ints, era: Ints, coded: Mapping[str, Coded]) -> dict[str, Any]:
    """Return the tables of patients; rows stand in time order.

    ``sizes`` are (smallest, largest, patients); ``spans`` count (first, last era) by size bucket;
    ``people`` count (race, gender, age) by size bucket and first era.
    """
    _, first, who, size = np.unique(
        patient, return_index=True, return_inverse=True, return_counts=True
    )
    last = np.zeros(size.size, dtype=np.int64)
    np.maximum.at(last, who, np.arange(patient.size))
    eras, buckets = int(era.max()) + 1, len(BUCKETS)
    bucket = np.searchsorted(BUCKETS, size, side="right") - 1
    shape = tuple(coded[name].levels for name in PERSON)
    flat = np.ravel_multi_index([coded[name].rows[first] for name in PERSON], shape)
    cells = int(np.prod(shape))
    state = bucket * eras + era[first]
    people = np.bincount(state * cells + flat, minlength=buckets * eras * cells)
    spans = np.bincount(state * eras + era[last], minlength=buckets * eras**2)
    return {
        "buckets": list(BUCKETS),
        "sizes": _sizes(size),
        "spans": _suppress(spans).reshape(buckets, -1).tolist(),
        "people": _suppress(people).reshape(buckets * eras, -1).tolist(),
        "people_totals": np.bincount(state, minlength=buckets * eras).tolist(),
        "everyone": _suppress(np.bincount(flat, minlength=cells)).tolist(),
    }


def _suppress(counts: Ints) -> Ints:
    return np.where(counts < SMALLEST_CELL, 0, counts)


def _sizes(size: Ints) -> list[list[int]]:
    """Count patients by number of encounters; rare numbers join until ten patients share a bin."""
    bins: list[list[int]] = []
    low, held = 1, 0
    for number in range(1, int(size.max()) + 1):
        held += int((size == number).sum())
        left = int((size > number).sum())
        if held >= SMALLEST_CELL and (left >= SMALLEST_CELL or left == 0):
            bins.append([low, number, held])
            low, held = number + 1, 0
    return bins
