"""Split encounters by time into a reference and five batches, and by patient into three sides.

The order of ``encounter_id`` is the only clock that the file has. A patient's side is a hash of
``patient_nbr`` alone: it is the same in every batch, whatever else the file holds. Both are decided
from an encounter's two identifiers and five numbers, so that a file of any length is split piece by
piece, the same however it is cut into pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from components.errors import InputError

BATCHES = 5
REFERENCE_SHARE = 0.2
MINIMUM_ROWS = 100

ENDED_IN_DEATH_OR_HOSPICE = (11, 13, 14, 19, 20, 21)
"""Discharge dispositions after which a readmission cannot be prevented (Strack et al. 2014)."""

RUN_TABLES = ("reference", "batch", "train", "validation", "test")
"""Tables of one run: the earliest fifth, the newest batch (the reference itself for the initial
training), training and validation patients' rows up to the newest batch, and the test patients'
rows in the newest batch alone."""

PROCESSED_TABLES = (
    "reference", "train", "validation", "test", *(f"batch-{n}" for n in range(1, BATCHES + 1)),
)  # fmt: skip
"""Tables of a whole file: the earliest fifth, its three sides, and the five later batches."""

_SIDES = np.array([0.6, 0.8])

Ids = NDArray[np.int64]
Masks = dict[str, NDArray[np.bool_]]


class Side(IntEnum):
    """What a patient's encounters are used for."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


def check_batch(batch: int) -> None:
    """Check a batch number.

    Raises:
        InputError: it is not 0 to 5.
    """
    if not 0 <= batch <= BATCHES:
        raise InputError(f"batch {batch} is out of range: 0 (initial training) to {BATCHES}")


def batch_cuts(ids: Ids) -> tuple[int, ...]:
    """Return the first ``encounter_id`` of each of the batches 1 to 5.

    Args:
        ids: every usable encounter's identifier, ascending; shape (encounters,).
    """
    shares = np.linspace(REFERENCE_SHARE, 1.0, BATCHES + 1)[:-1]
    first = np.floor(shares * ids.size).astype(np.int64)
    return tuple(int(ids[position]) for position in first) if ids.size else (0,) * BATCHES


def eras(ids: Ids, cuts: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of each encounter's part of the file: 0 for the reference, then 1 to 5."""
    return np.searchsorted(np.array(cuts, np.int64), ids, side="right")


def sides(patients: Ids) -> NDArray[np.int8]:
    """Return the :class:`Side` of each patient number."""
    return np.searchsorted(_SIDES, spread(patients), side="right").astype(np.int8)


def spread(patients: Ids, draw: int = 0) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each patient number, the same wherever it is computed.

    The hash is splitmix64's finaliser (Steele et al. 2014, doi 10.1145/2660193.2660195): well
    mixed, and computed without a table of patients.

    Args:
        patients: patient numbers; shape ``(rows,)``.
        draw: another one gives numbers that have nothing to do with these.
    """
    step = np.uint64(0x9E3779B97F4A7C15 * (draw + 1) % 2**64)
    x = patients.astype(np.uint64) + step
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) / np.float64(2**64)


def run_tables(era: NDArray[np.int64], side: NDArray[np.int8], batch: int) -> Masks:
    """Say which encounters stand in which of :data:`RUN_TABLES`, for the run on batch ``batch``.

    Args:
        era: of each encounter, from :func:`eras`.
        side: of each encounter, from :func:`sides`.
        batch: 0 for the initial training, or 1 to 5.
    """
    past = era <= batch
    return {
        "reference": era == 0,
        "batch": era == batch,
        "train": past & (side == Side.TRAIN),
        "validation": past & (side == Side.VALIDATION),
        "test": (era == batch) & (side == Side.TEST),
    }


def processed_tables(era: NDArray[np.int64], side: NDArray[np.int8]) -> Masks:
    """Say which encounters stand in which of :data:`PROCESSED_TABLES`."""
    initial = run_tables(era, side, 0)
    later = {f"batch-{n}": era == n for n in range(1, BATCHES + 1)}
    return {name: (initial | later)[name] for name in PROCESSED_TABLES}


def check_sizes(rows: Mapping[str, int]) -> None:
    """Check that the sides hold enough to train and test on.

    Args:
        rows: number of rows of each table.

    Raises:
        InputError: too few rows.
    """
    for name in ("train", "validation", "test"):
        if rows[name] < MINIMUM_ROWS:
            raise InputError(
                f"{rows[name]} {name} rows are too few (at least {MINIMUM_ROWS}); use more data"
            )
