"""Split encounters by time into a reference and five batches, and by patient into three sides.

The order of ``encounter_id`` is the only clock that the file has. A patient's side is a hash of
``patient_nbr`` alone: it is the same in every batch, whatever else the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.errors import InputError

BATCHES = 5
REFERENCE_SHARE = 0.2
MINIMUM_ROWS = 100

ENDED_IN_DEATH_OR_HOSPICE = (11, 13, 14, 19, 20, 21)
"""Discharge dispositions after which a readmission cannot be prevented (Strack et al. 2014)."""

_SIDES = np.array([0.6, 0.8])


class Side(IntEnum):
    """What a patient's encounters are used for."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True)
class Split:
    """The rows of one run, each table sorted by ``encounter_id``.

    ``reference`` is the earliest fifth, ``batch`` the newest rows (the reference itself for the
    initial training). Training and validation rows come from the reference and all batches up to
    the newest; the test rows from the newest alone.
    """

    reference: pa.Table
    batch: pa.Table
    train: pa.Table
    validation: pa.Table
    test: pa.Table
    removed: int


def split_encounters(table: pa.Table, batch: int) -> Split:
    """Split typed encounters for the run that trains on batch number ``batch``.

    Args:
        table: encounters that passed the schema, in any order.
        batch: 0 for the initial training, or 1 to 5.

    Raises:
        InputError: no such batch, or too few rows for a split.
    """
    check_batch(batch)
    kept = table.filter(~_ended(table)).sort_by("encounter_id")
    era, side = _eras(kept.num_rows), sides(kept["patient_nbr"].to_numpy())
    newest = kept.filter(era == batch)
    past = era <= batch
    split = Split(
        reference=kept.filter(era == 0),
        batch=newest,
        train=kept.filter(past & (side == Side.TRAIN)),
        validation=kept.filter(past & (side == Side.VALIDATION)),
        test=newest.filter(side[era == batch] == Side.TEST),
        removed=table.num_rows - kept.num_rows,
    )
    _check_sizes(split)
    return split


def check_batch(batch: int) -> None:
    """Check a batch number.

    Raises:
        InputError: it is not 0 to 5.
    """
    if not 0 <= batch <= BATCHES:
        raise InputError(f"batch {batch} is out of range: 0 (initial training) to {BATCHES}")


def sides(patients: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the :class:`Side` of each patient number.

    The hash is splitmix64's finaliser (Steele et al. 2014, doi 10.1145/2660193.2660195): well
    mixed, and computed without a table of patients.
    """
    x = patients.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = (x ^ (x >> np.uint64(31))) / np.float64(2**64)
    return np.searchsorted(_SIDES, uniform, side="right").astype(np.int8)


def _ended(table: pa.Table) -> NDArray[np.bool_]:
    dispositions = table["discharge_disposition_id"].to_numpy()
    return np.isin(dispositions, ENDED_IN_DEATH_OR_HOSPICE)


def _eras(rows: int) -> NDArray[np.int64]:
    """Number the sorted rows: 0 for the earliest fifth, then 1 to 5 in equal parts."""
    shares = np.linspace(REFERENCE_SHARE, 1.0, BATCHES + 1)[:-1]
    cuts = np.floor(shares * rows).astype(np.int64)
    return np.searchsorted(cuts, np.arange(rows), side="right")


def _check_sizes(split: Split) -> None:
    for name in ("train", "validation", "test"):
        rows = getattr(split, name).num_rows
        if rows < MINIMUM_ROWS:
            raise InputError(
                f"{rows} {name} rows are too few (at least {MINIMUM_ROWS}); use more data"
            )
