"""Rows to compare: the window on which production was trained, and the batch."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from components.drift.pair import uniform
from components.ingest.tables import Provenance, provenance_of

ROWS = 100_000
"""Most rows of a side; more would only narrow intervals that are narrow already."""

_PIECE = 1 << 15
_READ_AHEAD = {"batch_readahead": 1, "fragment_readahead": 1}


def source_of(path: str) -> Provenance:
    """Return where a table's rows came from, without reading them."""
    return provenance_of(ds.dataset(path, format="parquet").schema.empty_table())


def window_end(cuts: Sequence[int], trained: int, newest: int) -> int:
    """Return the ``encounter_id`` before which the reference ends.

    Args:
        cuts: first encounter of each of the batches from 1 on.
        trained: the newest batch that production was trained on.
        newest: the batch that is compared, 1 or more; none of its rows is reference.
    """
    return cuts[min(trained, newest - 1)]


def read_rows(paths: Sequence[str], before: int | None = None, most: int = ROWS) -> pa.Table:
    """Read about ``most`` rows of some tables, whole patients chosen by a hash.

    The tables are read piece by piece: memory is bounded by ``most``, not by their length.

    Args:
        paths: tables of the same columns.
        before: keep only encounters below this ``encounter_id``; ``None`` keeps all.
        most: rows to keep; patients are left out only where there are more.
    """
    table = ds.dataset(list(paths), format="parquet")
    condition = None if before is None else ds.field("encounter_id") < before
    share = most / max(1, table.count_rows(filter=condition))
    pieces = table.to_batches(filter=condition, batch_size=_PIECE, **_READ_AHEAD)
    parts = (_sample(part, share) for part in pieces)
    return pa.Table.from_batches(parts, table.schema).unify_dictionaries()


def _sample(part: pa.RecordBatch, share: float) -> pa.RecordBatch:
    if share >= 1:
        return part
    return part.filter(pa.array(uniform(part["patient_nbr"].to_numpy()) < share))
