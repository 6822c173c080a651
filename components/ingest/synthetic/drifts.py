"""The shifts that a synthetic cohort can be given, each of a stated size.

All but ``calendar`` start from ``none``, one population over the whole file, and leave the earliest
fifth as it is. A batch is what the split makes of the file: the fifth, then five equal parts.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa

from components.ingest.split import BATCHES, ENDED_IN_DEATH_OR_HOSPICE, batch_cuts, eras
from components.ingest.synthetic.sampling import Floats, Ints
from components.schema import encounter_schema

GRADUAL_COLUMNS = ("age", "number_diagnoses")
GRADUAL_SD = 0.5
"""Shift of each column's mean in batch 5, in standard deviations of the earliest fifth; batch k has
k/5 of it. Age counts in brackets."""

STRONG_COLUMNS = ("number_inpatient", "num_medications", "time_in_hospital")
STRONG_SD = 0.3
"""Shift of each column's mean in every batch, in standard deviations of the earliest fifth."""

CONCEPT_SHARE = 0.5
"""Share of the labels in every batch that are drawn anew, with the earliest fifth's shares and
whatever the encounter's columns say."""

DEATHS = (11, 19, 20, 21)
"""Discharge dispositions after which nobody is readmitted."""

_TRIES = 20
_HIGHEST = 0.99
"""No value is moved beyond this quantile of the earliest fifth: a value that was hardly ever seen
before would be a drift of another kind, and of no stated size."""


class Drift(StrEnum):
    """How the encounters change over the file's time; ``calendar`` is as the real file does."""

    CALENDAR = "calendar"
    NONE = "none"
    GRADUAL = "gradual"
    STRONG = "strong"
    CONCEPT = "concept"


def apply_drift(table: pa.Table, drift: Drift, seed: int) -> pa.Table:
    """Shift the batches of a stationary cohort that is sorted by time."""
    rng, batch = np.random.default_rng((seed, 1)), _batches(table)
    number = batch.astype(np.float64)
    if drift is Drift.GRADUAL:
        for name in GRADUAL_COLUMNS:
            table = _shifted(table, name, GRADUAL_SD / BATCHES * number, batch, rng)
    elif drift is Drift.STRONG:
        for name in STRONG_COLUMNS:
            table = _shifted(table, name, STRONG_SD * np.sign(number), batch, rng)
    elif drift is Drift.CONCEPT:
        table = _relabelled(table, batch, rng)
    return table


def _batches(table: pa.Table) -> Ints:
    """Number each row's batch as the split will."""
    usable = ~np.isin(table["discharge_disposition_id"].to_numpy(), ENDED_IN_DEATH_OR_HOSPICE)
    ids: Ints = table["encounter_id"].to_numpy()
    return eras(ids, batch_cuts(ids[usable]))


def _shifted(
    table: pa.Table, name: str, size: Floats, batch: Ints, rng: np.random.Generator
) -> pa.Table:
    """Move a column's mean up by ``size`` standard deviations of the earliest fifth, row by row."""
    column = encounter_schema()[name]
    texts = None if column.is_integer else pa.array(column.values, pa.string())
    old: Ints = _ranks(table[name], texts)
    most = int(np.quantile(old[batch == 0], _HIGHEST))
    new = _moved(old, size * old[batch == 0].std(), most, batch, rng.random(old.size))
    values = pa.array(new) if texts is None else texts.take(pa.array(new))
    return table.set_column(table.column_names.index(name), name, values)


def _ranks(values: pa.ChunkedArray, texts: pa.Array | None) -> Ints:
    if texts is None:
        numbers: Ints = values.to_numpy()
        return numbers
    coded = values.combine_chunks().dictionary_encode()
    places = {text: place for place, text in enumerate(texts.to_pylist())}
    ranks = np.array([places[text] for text in coded.dictionary.to_pylist()], dtype=np.int64)
    return np.asarray(ranks[coded.indices.to_numpy(zero_copy_only=False)], dtype=np.int64)


def _moved(old: Ints, wanted: Floats, most: int, batch: Ints, chance: Floats) -> Ints:
    """Add whole steps whose mean is as wanted, the more where the range's end takes some away."""
    new, factor = old, np.ones(int(batch.max()) + 1)
    totals = np.bincount(batch, weights=wanted)
    for _ in range(_TRIES):
        steps = np.floor(wanted * factor[batch] + chance).astype(np.int64)
        new = np.where(wanted > 0, np.minimum(old + steps, np.maximum(most, old)), old)
        gained = np.bincount(batch, weights=new - old)
        factor *= np.where(gained > 0, totals / np.maximum(gained, 1e-9), 1.0)
    return new


def _relabelled(table: pa.Table, batch: Ints, rng: np.random.Generator) -> pa.Table:
    alive = ~np.isin(table["discharge_disposition_id"].to_numpy(), DEATHS)
    labels = np.array(table["readmitted"].to_pylist())
    drawn = rng.choice(labels[alive & (batch == 0)], labels.size)
    anew = alive & (batch > 0) & (rng.random(labels.size) < CONCEPT_SHARE)
    values = pa.array(np.where(anew, drawn, labels).tolist(), pa.string())
    return table.set_column(table.column_names.index("readmitted"), "readmitted", values)
