"""Parquet tables that carry where they came from, so that no step has to be told again."""

from __future__ import annotations

import json
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
    """

    source: str
    sha256: str
    rows: int
    synthetic: bool
    batch: int


def write_table(table: pa.Table, path: str, provenance: Provenance) -> None:
    """Write a table under a temporary name, then rename: no half-written file is ever seen."""
    metadata = {_KEY: json.dumps(asdict(provenance)).encode()}
    partial = Path(f"{path}.part")
    pq.write_table(table.replace_schema_metadata(metadata), partial)
    partial.rename(path)


def read_table(path: str) -> pa.Table:
    """Read a table that :func:`write_table` wrote."""
    return pq.read_table(path)


def provenance_of(table: pa.Table) -> Provenance:
    """Return where a table read by :func:`read_table` came from.

    Raises:
        KeyError: the table does not say.
    """
    return Provenance(**json.loads(table.schema.metadata[_KEY]))
