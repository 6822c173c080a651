"""Parquet tables that carry where they came from, so that no step has to be told again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_KEY = b"health-predict.provenance"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where encounters came from.

    Attributes:
        source: the URI of the raw file.
        sha256: of the raw file's bytes; of the parameters, for a synthetic cohort.
        rows: encounters in the raw file.
        synthetic: whether they are a synthetic cohort.
        batch: number of the newest batch in the run.
        cuts: the first ``encounter_id`` of each of the batches 1 to 5: what came before the first
            is the reference.
    """

    source: str
    sha256: str
    rows: int
    synthetic: bool
    batch: int
    cuts: tuple[int, ...] = ()


@dataclass
class TableWriter:
    """Writes one parquet table piece by piece."""

    file: pq.ParquetWriter
    rows: int = 0

    def write(self, table: pa.Table) -> None:
        """Add rows; a piece without rows adds nothing."""
        if table.num_rows:
            self.file.write_table(table)
            self.rows += table.num_rows


@contextmanager
def table_writers(
    paths: Mapping[str, str], schema: pa.Schema, provenance: Provenance | None = None
) -> Iterator[dict[str, TableWriter]]:
    """Open a table for each path, all of them named only when all are whole.

    Until the block ends well the tables have temporary names; when it fails they are removed, so
    that no half-written table is ever seen.
    """
    metadata = {_KEY: json.dumps(asdict(provenance)).encode()} if provenance else None
    partial = {name: Path(f"{path}.part") for name, path in paths.items()}
    try:
        with ExitStack() as stack:
            yield {
                name: TableWriter(
                    stack.enter_context(pq.ParquetWriter(path, schema.with_metadata(metadata)))
                )
                for name, path in partial.items()
            }
        for name, path in partial.items():
            path.rename(paths[name])
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


def write_table(table: pa.Table, path: str, provenance: Provenance) -> None:
    """Write a whole table under a temporary name, then rename."""
    with table_writers({"table": path}, table.schema, provenance) as writers:
        writers["table"].write(table)


def read_table(path: str) -> pa.Table:
    """Read a table that :func:`write_table` wrote."""
    return pq.read_table(path)


def provenance_of(table: pa.Table) -> Provenance:
    """Return where a table read by :func:`read_table` came from.

    Raises:
        KeyError: the table does not say.
    """
    said = json.loads(table.schema.metadata[_KEY])
    return Provenance(**{**said, "cuts": tuple(said["cuts"])})
