"""The ingest step: source to five validated tables, the rows set aside, and a quality report."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.errors import InputError
from components.events import Report
from components.ingest.history import History, with_history
from components.ingest.partition import partition
from components.ingest.profile import Profile
from components.ingest.quality import quality_page
from components.ingest.reader import encoded, read_batches
from components.ingest.source import SyntheticSpec, fetch
from components.ingest.split import (
    BATCHES,
    RUN_TABLES,
    Ids,
    batch_cuts,
    check_batch,
    check_sizes,
    run_tables,
)
from components.ingest.stage import Staged, stage
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, table_writers
from components.ingest.validate import arrow_schema
from components.schema import Schema, encounter_schema
from components.settings import Settings

_SYNTHETIC_ROWS = 1 << 16


@dataclass(frozen=True)
class IngestOutputs:
    """Paths that the step writes to."""

    reference: str
    batch: str
    train: str
    validation: str
    test: str
    quarantine: str
    quality: str


@dataclass(frozen=True)
class Source:
    """An opened source: its batches of text, and what they are."""

    batches: Iterator[pa.RecordBatch]
    uri: str
    sha256: str
    synthetic: bool

    def provenance(self, rows: int, batch: int, cuts: tuple[int, ...]) -> Provenance:
        """Return where the tables made of it come from."""
        return Provenance(self.uri, self.sha256, rows, self.synthetic, batch, cuts)


def run(
    uri: str,
    sha256: str,
    batch: int,
    most_aside: float,
    outputs: IngestOutputs,
    settings: Settings,
    report: Report,
) -> None:
    """Read, validate and split the encounters that ``uri`` names, and write the tables.

    Memory is bounded however long the file is; no output has its name until all are whole.

    Args:
        uri: what to read.
        sha256: expected checksum; empty when unknown.
        batch: number of the newest batch, 0 to 5.
        most_aside: largest share of rows that may be set aside.
        outputs: paths to write to.
        settings: where downloads are kept, and how much space must be free.
        report: takes the step's facts.

    Raises:
        InputError: the source, its content, the batch number or the disk's free space is wrong.
    """
    check_batch(batch)
    check_share(most_aside)
    check_space(settings)
    source = open_source(uri, sha256, settings.state_dir / "cache", encounter_schema())
    with staged(source, most_aside) as checked:
        cuts = batch_cuts(checked.ids)
        provenance = source.provenance(checked.findings.rows, batch, cuts)
        sizes, profiles = write_tables(checked, provenance, outputs)
        shutil.copyfile(checked.aside, outputs.quarantine)
    page = quality_page(checked.findings, checked.removed, sizes, provenance, profiles)
    Path(outputs.quality).write_text(page, "utf-8")
    report.add(
        source=uri,
        rows=provenance.rows,
        synthetic=provenance.synthetic,
        batch=batch,
        removed=checked.removed,
        set_aside=checked.findings.set_aside,
        quality=outputs.quality,
        **{f"{name}_rows": rows for name, rows in sizes.items()},
    )


def open_source(uri: str, sha256: str, cache: Path, schema: Schema) -> Source:
    """Open what ``uri`` names, downloaded into ``cache`` where it is remote.

    Raises:
        InputError: there is no such source, or it has another checksum.
    """
    if spec := SyntheticSpec.parse(uri):
        made = synthesise(spec.rows, spec.seed, spec.drift)
        batches = (encoded(b, schema) for b in made.to_batches(max_chunksize=_SYNTHETIC_ROWS))
        return Source(batches, uri, hashlib.sha256(uri.encode()).hexdigest(), synthetic=True)
    raw = fetch(uri, cache, sha256)
    parts = chain.from_iterable(read_batches(path, schema) for path in raw.paths)
    return Source(parts, uri, raw.sha256, synthetic=False)


@contextmanager
def staged(source: Source, most_aside: float) -> Iterator[Staged]:
    """Check a source; its rows stay on the disk until the block ends.

    Raises:
        InputError: the schema refuses the source.
    """
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        schema = encounter_schema()
        yield stage(source.batches, schema, source.uri, most_aside, Path(folder))


def until(batch: int, ids: Ids, cuts: tuple[int, ...]) -> Ids:
    """Return the identifiers up to the end of a batch."""
    return ids if batch == BATCHES else ids[: np.searchsorted(ids, cuts[batch])]


def check_share(most_aside: float) -> None:
    """Check the largest share of rows that may be set aside.

    Raises:
        InputError: it is not a share.
    """
    if not 0 <= most_aside <= 1:
        raise InputError(f"data_max_quarantine {most_aside} is no share: give 0 to 1")


def check_space(settings: Settings) -> None:
    """Check that the disk has the space that the settings ask for.

    Raises:
        InputError: it has not.
    """
    # A pod starts with an empty disk.
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.state_dir).free >> 20
    if free < settings.min_free_mb:
        raise InputError(
            f"{settings.state_dir}: {free} MiB free, at least {settings.min_free_mb} MiB are "
            "needed (HEALTH_PREDICT_MIN_FREE_MB); free some and run again"
        )


def write_tables(
    checked: Staged, provenance: Provenance, outputs: IngestOutputs
) -> tuple[dict[str, int], tuple[Profile, Profile]]:
    """Deal a checked file out to a run's tables.

    Returns:
        Rows of each table, and profiles of the reference and of the newest batch.

    Raises:
        InputError: too few rows for a split.
    """
    schema, cuts, batch = checked.findings.schema, provenance.cuts, provenance.batch
    reference, newest = Profile(schema), Profile(schema)
    paths = {name: getattr(outputs, name) for name in RUN_TABLES}
    with table_writers(paths, with_history(arrow_schema(schema)), provenance) as writers:
        partition(
            checked.rows,
            until(batch, checked.ids, cuts),
            cuts,
            partial(run_tables, batch=batch),
            writers,
            {"reference": reference, "batch": newest},
            History(),
        )
        sizes = {name: writer.rows for name, writer in writers.items()}
        check_sizes(sizes)
    return sizes, (reference, newest)
