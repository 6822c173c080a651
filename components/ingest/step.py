"""The ingest step: source to five validated tables and a quality report."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.errors import InputError
from components.events import Report
from components.ingest.reader import read_batches
from components.ingest.source import SyntheticSpec, fetch
from components.ingest.split import Split, check_batch, split_encounters
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, write_table
from components.ingest.validate import unknown_values, validate
from components.reporting.page import Page
from components.schema import MISSING, Schema, encounter_schema
from components.settings import Settings

_TABLES = ("reference", "batch", "train", "validation", "test")


@dataclass(frozen=True)
class IngestOutputs:
    """Paths that the step writes to."""

    reference: str
    batch: str
    train: str
    validation: str
    test: str
    quality: str


def run(
    uri: str, sha256: str, batch: int, outputs: IngestOutputs, settings: Settings, report: Report
) -> Split:
    """Read, validate and split the encounters that ``uri`` names, and write the tables.

    Raises:
        InputError: the source, its content, the batch number or the disk's free space is wrong.
    """
    check_batch(batch)
    _check_space(settings)
    schema = encounter_schema()
    table, provenance = _load(uri, sha256, batch, schema, settings)
    split = split_encounters(table, batch)
    for name in _TABLES:
        write_table(getattr(split, name), getattr(outputs, name), provenance)
    Path(outputs.quality).write_text(_quality(table, split, provenance, schema), "utf-8")
    report.add(
        source=provenance.source,
        rows=provenance.rows,
        synthetic=provenance.synthetic,
        batch=batch,
        removed=split.removed,
        quality=outputs.quality,
        **{f"{name}_rows": getattr(split, name).num_rows for name in _TABLES},
    )
    return split


def _load(
    uri: str, sha256: str, batch: int, schema: Schema, settings: Settings
) -> tuple[pa.Table, Provenance]:
    if spec := SyntheticSpec.parse(uri):
        made = synthesise(spec.rows, spec.seed)
        digest = hashlib.sha256(uri.encode()).hexdigest()
        table = validate((_as_text(b) for b in made.to_batches()), schema, uri)
        return table, Provenance(uri, digest, spec.rows, synthetic=True, batch=batch)
    raw = fetch(uri, settings.state_dir / "cache", sha256)
    table = validate(read_batches(raw.path, schema), schema, uri)
    return table, Provenance(uri, raw.sha256, table.num_rows, synthetic=False, batch=batch)


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give a synthetic batch the form of a file's, so that it passes the same checks."""
    names = batch.schema.names
    return pa.record_batch([batch[name].cast(pa.string()) for name in names], names=names)


def _check_space(settings: Settings) -> None:
    free = shutil.disk_usage(settings.state_dir).free >> 20
    if free < settings.min_free_mb:
        raise InputError(
            f"{settings.state_dir}: {free} MiB free, at least {settings.min_free_mb} MiB are "
            "needed (HEALTH_PREDICT_MIN_FREE_MB); free some and run again"
        )


def _quality(table: pa.Table, split: Split, provenance: Provenance, schema: Schema) -> str:
    page = Page("Data quality", provenance.synthetic)
    page.facts(
        {
            "Source": provenance.source,
            "sha256": provenance.sha256,
            "Encounters": f"{provenance.rows:,}",
            "Removed: ended in death or hospice": f"{split.removed:,}",
            "Newest batch": str(provenance.batch),
        }
    )
    page.table("Tables", ("table", "rows"), [(n, getattr(split, n).num_rows) for n in _TABLES])
    page.table("Missing values", ("column", "missing", "share"), _missing(table, schema))
    unknown = [(name, count) for name, count in unknown_values(table, schema).items()]
    page.table("Values that an open column's list does not hold", ("column", "rows"), unknown)
    return page.html()


def _missing(table: pa.Table, schema: Schema) -> list[tuple[str, int, str]]:
    rows = []
    for column in (c for c in schema if c.missing):
        counts = {e["values"]: e["counts"] for e in table[column.name].value_counts().to_pylist()}
        missing = counts.get(MISSING, 0)
        rows.append((column.name, missing, f"{missing / table.num_rows:.1%}"))
    return rows
