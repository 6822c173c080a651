"""First pass over a file of any length: check every row, lay the usable ones down on the disk.

What a split needs of the whole file is the order of its identifiers. They go to a file of 8 bytes a
row that is mapped into memory and sorted there, so that the system may page it out; everything else
is held one batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.errors import InputError
from components.ingest.split import ENDED_IN_DEATH_OR_HOSPICE, Ids
from components.ingest.tables import table_writers
from components.ingest.validate import ROW, RULES, Validator, arrow_schema
from components.schema import Schema

_SHOWN_IDS = 3
_ENDED = pa.array(ENDED_IN_DEATH_OR_HOSPICE, pa.int64())


@dataclass(frozen=True)
class Staged:
    """A checked file.

    Attributes:
        rows: parquet file of the usable encounters, typed, in the file's order.
        aside: parquet file of the rows set aside, as text, with their numbers and rules.
        ids: identifiers of the usable encounters, ascending, mapped from the disk.
        removed: encounters left out because they ended in death or hospice.
        findings: what the check counted.
    """

    rows: Path
    aside: Path
    ids: Ids
    removed: int
    findings: Validator


def stage(
    batches: Iterable[pa.RecordBatch], schema: Schema, where: str, most_aside: float, folder: Path
) -> Staged:
    """Check a file's batches and write what passed into ``folder``.

    Args:
        batches: text, as the reader yields it.
        schema: the schema to hold them to.
        where: the file's name, for messages.
        most_aside: largest share of rows that may be set aside.
        folder: takes the files; what is left in it after an error is the caller's to remove.

    Raises:
        InputError: no rows, a value that the schema refuses, an encounter_id twice, or too many
            rows set aside.
    """
    findings, removed = Validator(schema), 0
    rows, aside = folder / "rows.parquet", folder / "aside.parquet"
    with (
        pq.ParquetWriter(rows, arrow_schema(schema), compression="lz4") as good,
        table_writers({"aside": str(aside)}, _aside_schema(schema)) as others,
        (folder / "all.ids").open("wb") as every,
        (folder / "kept.ids").open("wb") as usable,
    ):
        for batch in batches:
            checked = findings.check(batch)
            if checked is None:
                continue
            kept = _usable(checked.good)
            removed += checked.good.num_rows - kept.num_rows
            good.write_batch(kept)
            others["aside"].write(pa.Table.from_batches([checked.aside]))
            _append(checked.good["encounter_id"], every)
            _append(checked.aside["encounter_id"].cast(pa.int64()), every)
            _append(kept["encounter_id"], usable)
    findings.conclude(where, most_aside)
    _check_unique(_sorted(folder / "all.ids"), where)
    return Staged(rows, aside, _sorted(folder / "kept.ids"), removed, findings)


def _aside_schema(schema: Schema) -> pa.Schema:
    text = [(column.name, pa.string()) for column in schema]
    return pa.schema([(ROW, pa.int64()), (RULES, pa.string()), *text])


def _usable(batch: pa.RecordBatch) -> pa.RecordBatch:
    ended = pc.is_in(batch["discharge_disposition_id"], value_set=_ENDED)
    return batch.filter(pc.invert(ended))


def _append(ids: pa.Array, file: IO[bytes]) -> None:
    file.write(ids.to_numpy(zero_copy_only=False).astype("<i8").tobytes())


def _sorted(path: Path) -> Ids:
    if not path.stat().st_size:
        return np.empty(0, np.int64)
    ids: NDArray[np.int64] = np.memmap(path, dtype="<i8", mode="r+")
    ids.sort()
    return ids


def _check_unique(ids: Ids, where: str) -> None:
    repeated = np.unique(ids[1:][ids[1:] == ids[:-1]])
    if repeated.size:
        shown = ", ".join(str(value) for value in repeated[:_SHOWN_IDS])
        raise InputError(
            f"{where}: column 'encounter_id': {repeated.size} values stand twice: {shown}"
        )
