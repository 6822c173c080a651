"""What is known of a patient's earlier encounters when an encounter begins.

Encounters come in ascending order of ``encounter_id``, the only clock that the file has, piece by
piece; what is kept of each patient between pieces is 24 bytes. Nothing of an encounter itself or of
a later one enters its history, and no label does: an outcome may not be known yet.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.schema import HISTORY, encounter_schema

_STATE = np.dtype(
    [
        ("patient", "<i8"),
        ("last", "<i8"),
        ("days", "<i4"),
        ("encounters", "<i2"),
        ("left", "i1"),
        ("inpatient", "i1"),
    ]
)
_LAST = {
    "last": "encounter_id",
    "left": "discharge_disposition_id",
    "inpatient": "number_inpatient",
}
_FIELDS = ("encounters", "days", *_LAST)
Numbers = NDArray[np.int64]
Columns = dict[str, Numbers]


def with_history(schema: pa.Schema) -> pa.Schema:
    """Return an Arrow schema with the history columns behind the others."""
    return pa.schema([*schema, *((name, pa.int64()) for name in HISTORY)])


class History:
    """The patients seen so far."""

    def __init__(self) -> None:
        self._seen = np.empty(0, _STATE)

    def join(self, piece: pa.Table) -> pa.Table:
        """Return encounters with their patients' history, and remember them.

        Args:
            piece: ascending by ``encounter_id``, all of it above the pieces before.
        """
        patient = piece["patient_nbr"].to_numpy()
        order = np.argsort(patient, kind="stable")  # within a patient the order stays that of time
        columns = {"days": "time_in_hospital", **_LAST}
        own = {name: piece[column].to_numpy()[order] for name, column in columns.items()}
        new = np.empty(order.size, bool)
        new[:1], new[1:] = True, np.diff(patient[order]) != 0
        starts, group = np.flatnonzero(new), np.cumsum(new) - 1
        patients = patient[order][starts]
        before = _before(own, starts, group, self._known(patients))
        ends = np.append(starts[1:], order.size)[: starts.size] - 1
        self._remember(patients, before, own, ends)
        return _joined(piece, before, own, order)

    def _known(self, patients: Numbers) -> Columns:
        """Return what is remembered of distinct patients; zeros of a new one."""
        place = np.searchsorted(self._seen["patient"], patients)
        inside = np.minimum(place, max(self._seen.size - 1, 0))
        if not self._seen.size:
            return {name: np.zeros(patients.size, np.int64) for name in _FIELDS}
        known = self._seen["patient"][inside] == patients
        return {name: np.where(known, self._seen[name][inside], 0) for name in _FIELDS}

    def _remember(self, patients: Numbers, before: Columns, own: Columns, ends: Numbers) -> None:
        after = np.empty(patients.size, _STATE)
        after["patient"] = patients
        after["encounters"] = np.minimum(before["encounters"][ends] + 1, np.iinfo("<i2").max)
        after["days"] = before["days"][ends] + own["days"][ends]
        for name in _LAST:
            after[name] = own[name][ends]
        place = np.searchsorted(self._seen["patient"], patients)
        known = np.isin(patients, self._seen["patient"], assume_unique=True)
        self._seen[place[known]] = after[known]
        self._seen = np.insert(self._seen, place[~known], after[~known])


def _before(own: Columns, starts: Numbers, group: Numbers, known: Columns) -> Columns:
    """Return each row's history, rows ordered by patient and then by time."""
    rows = np.arange(group.size)
    days = np.cumsum(own["days"]) - own["days"]
    first = rows == starts[group]
    return {
        "encounters": known["encounters"][group] + rows - starts[group],
        "days": known["days"][group] + days - days[starts][group],
        **{name: np.where(first, known[name][group], np.roll(own[name], 1)) for name in _LAST},
    }


def _joined(piece: pa.Table, before: Columns, own: Columns, order: Numbers) -> pa.Table:
    returns = before["encounters"] > 0
    interval, change = (
        np.where(returns, own[name] - before[name], 0) for name in ("last", "inpatient")
    )
    found = (before["encounters"], before["days"], before["left"], interval, change)
    schema = encounter_schema(history=True)
    for name, values in zip(HISTORY, found, strict=True):
        column = np.empty(order.size, np.int64)
        column[order] = values
        most = schema[name].maximum
        column = np.minimum(column, most) if most else column
        piece = piece.append_column(name, pa.array(column))
    return piece
