"""Second pass: deal the usable encounters out to their tables, in ascending order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from components.ingest.history import History
from components.ingest.profile import Profile
from components.ingest.split import Ids, Masks, eras, sides
from components.ingest.tables import TableWriter

PIECE_ROWS = 1 << 18
"""Rows that are held and sorted at a time, about 250 bytes each."""

Route = Callable[[NDArray[np.int64], NDArray[np.int8]], Masks]


def partition(
    rows: Path,
    ids: Ids,
    cuts: tuple[int, ...],
    route: Route,
    writers: Mapping[str, TableWriter],
    profiles: Mapping[str, Profile],
    history: History | None = None,
) -> None:
    """Write each encounter into its tables; every table ascends by ``encounter_id``.

    Args:
        rows: parquet file of typed encounters, in any order.
        ids: identifiers of those wanted, ascending.
        cuts: first identifiers of the batches 1 to 5.
        route: says from eras and sides which rows stand in which table.
        writers: a writer for each table.
        profiles: take the rows of the tables that they are named after.
        history: joins what went before; ``None`` leaves it out.
    """
    for plain in _pieces(rows, ids):
        piece = history.join(plain) if history else plain
        numbers = piece["encounter_id"].to_numpy()
        masks = route(eras(numbers, cuts), sides(piece["patient_nbr"].to_numpy()))
        for name, mask in masks.items():
            part = piece.filter(pa.array(mask))
            writers[name].write(part)
            if name in profiles:
                profiles[name].add(part)


def _pieces(rows: Path, ids: Ids) -> Iterator[pa.Table]:
    """Yield the encounters in ascending order.

    Only the row groups whose range of identifiers meets a piece's are read for it: in a file that
    is nearly sorted each is read once or twice, and a file in any order still passes.
    """
    source = ds.dataset(rows, format="parquet")
    column = pc.field("encounter_id")
    for start in range(0, ids.size, PIECE_ROWS):
        chunk = ids[start : start + PIECE_ROWS]
        wanted = (column >= int(chunk[0])) & (column <= int(chunk[-1]))
        yield source.to_table(filter=wanted, batch_readahead=1, fragment_readahead=1).sort_by(
            "encounter_id"
        )
