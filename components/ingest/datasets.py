"""What a person does with a data set outside a run: check it, and split it for others to use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.ingest.layout import DataPrefix
from components.ingest.partition import partition
from components.ingest.profile import Profile
from components.ingest.quality import quality_page
from components.ingest.split import PROCESSED_TABLES, batch_cuts, check_sizes, processed_tables
from components.ingest.stage import Staged
from components.ingest.step import Source, staged
from components.ingest.tables import table_writers
from components.ingest.validate import arrow_schema
from components.schema import encounter_schema

QUARANTINE = "quarantine"
"""Name of the rows set aside, beside the processed tables."""


@dataclass(frozen=True)
class Checkup:
    """What a check found in a source that was not refused.

    Attributes:
        source: its URI.
        sha256: of its bytes.
        rows: encounters in it.
        removed: of them, those that ended in death or hospice.
        set_aside: of them, those that broke a rule.
        rules: rows that broke each rule.
        missing: missing values by column.
        unlisted: values of open columns that the schema does not list, by column.
    """

    source: str
    sha256: str
    rows: int
    removed: int
    set_aside: int
    rules: dict[str, int]
    missing: dict[str, int]
    unlisted: dict[str, int]


def check_dataset(
    source: Source, most_aside: float, page: Path | None, quarantine: Path | None
) -> Checkup:
    """Hold a source to the schema.

    Args:
        source: what to check.
        most_aside: largest share of rows that may be set aside.
        page: takes the quality report; ``None`` for none.
        quarantine: takes the rows set aside as parquet; ``None`` drops them.

    Raises:
        InputError: the schema refuses the source.
    """
    with staged(source, most_aside) as checked:
        if quarantine:
            _put_in_place(checked.aside, quarantine)
    if page:
        provenance = source.provenance(checked.findings.rows, 0, ())
        html = quality_page(checked.findings, checked.removed, {}, provenance, None)
        page.write_text(html, "utf-8")
    return _checkup(source, checked)


def split_dataset(
    source: Source, most_aside: float, prefix: DataPrefix, say: Callable[[str, int], None]
) -> Checkup:
    """Write a source's reference, its three sides, the five batches and what was set aside.

    Args:
        source: what to split.
        most_aside: largest share of rows that may be set aside.
        prefix: takes the tables below ``processed_data/``.
        say: told each table's URI and rows, once it is there.

    Raises:
        InputError: the schema refuses the source, or the prefix cannot be written to.
    """
    with staged(source, most_aside) as checked, tempfile.TemporaryDirectory() as folder:
        sizes = _write_processed(source, checked, Path(folder))
        for name, rows in sizes.items():
            uri = prefix.processed(name)
            prefix.put(Path(folder) / name, uri)
            say(uri, rows)
        prefix.put(checked.aside, prefix.processed(QUARANTINE))
        say(prefix.processed(QUARANTINE), checked.findings.set_aside)
    return _checkup(source, checked)


def _write_processed(source: Source, checked: Staged, folder: Path) -> dict[str, int]:
    schema, cuts = encounter_schema(), batch_cuts(checked.ids)
    provenance = source.provenance(checked.findings.rows, 0, cuts)
    paths = {name: str(folder / name) for name in PROCESSED_TABLES}
    profiles: dict[str, Profile] = {}
    with table_writers(paths, arrow_schema(schema), provenance) as writers:
        partition(checked.rows, checked.ids, cuts, processed_tables, writers, profiles)
        sizes = {name: writer.rows for name, writer in writers.items()}
        check_sizes(sizes)
    return sizes


def _checkup(source: Source, checked: Staged) -> Checkup:
    found = checked.findings
    return Checkup(
        source=source.uri,
        sha256=source.sha256,
        rows=found.rows,
        removed=checked.removed,
        set_aside=found.set_aside,
        rules={finding.name: finding.rows for finding in found.aside},
        missing=dict(found.missing),
        unlisted=dict(found.unlisted),
    )


def _put_in_place(file: Path, target: Path) -> None:
    """Copy a file that lies on another file system, under a temporary name, then rename."""
    partial = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(file, partial).replace(target)
    finally:
        partial.unlink(missing_ok=True)
