"""Measure ingest at 1 and 10 million rows: seconds, rows a second, peak memory; pandas beside it.

``make bench-data DATA=...`` repeats the named file (a synthetic cohort without ``DATA``) with fresh
identifiers, runs each reader in a process of its own, and prints a Markdown table. pandas does the
same checks on the whole frame and neither splits nor writes; ingest does both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components.events import Report
from components.ingest.reader import read_batches
from components.ingest.source import fetch
from components.ingest.split import RUN_TABLES
from components.ingest.step import IngestOutputs, run
from components.ingest.synthetic import synthesise
from components.schema import Kind, Schema, encounter_schema
from components.settings import Settings, TargetName

MILLION = 1_000_000
IDENTIFIERS = ("encounter_id", "patient_nbr")
STRIDE = 10**9
"""Above every identifier of the file; copy k adds k times this to both."""

PANDAS = "pandas.read_csv + checks"
OURS = "ingest (check, split, write)"


def main() -> int:
    """Repeat the file, run both, print."""
    given = _arguments()
    if given.worker:
        return _work(given.worker, given.file)
    print("| reader | rows | seconds | rows/s | peak RSS, GiB |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for rows in given.rows:
            file = Path(folder) / "encounters.csv"
            made = _repeat(_seed_rows(given.data, Path(folder)), rows, file)
            for reader in (OURS, PANDAS):
                print(_measure(reader, file, made), flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="")
    parser.add_argument("--rows", type=int, nargs="+", default=[MILLION, 10 * MILLION])
    parser.add_argument("--worker", choices=(OURS, PANDAS))
    parser.add_argument("--file", type=Path)
    return parser.parse_args()


def _measure(reader: str, file: Path, rows: int) -> str:
    """Run a reader in a process of its own and return its row of the table."""
    started = time.monotonic()
    command = [sys.executable, __file__, "--worker", reader, "--file", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        return f"| {reader} | {rows:,} | failed with code {process.returncode} | | |"
    peak = usage.ru_maxrss / 2**20
    return f"| {reader} | {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} | {peak:.2f} |"


def _seed_rows(data: str, folder: Path) -> pa.Table:
    schema = encounter_schema()
    if data:
        paths = fetch(data, folder).paths
        batches = [batch for path in paths for batch in read_batches(path, schema)]
        table = pa.Table.from_batches(batches)
    else:
        table = synthesise(100_000, seed=0)
    return pa.table({c.name: table[c.name].cast(pa.string()) for c in schema})


def _repeat(table: pa.Table, rows: int, file: Path) -> int:
    """Write whole copies of a table until ``rows`` are reached, and return their number."""
    options = pa_csv.WriteOptions(quoting_style="none")
    copies = -(-rows // table.num_rows)
    with pa_csv.CSVWriter(file, table.schema, write_options=options) as writer:
        for copy in range(copies):
            fresh = table
            for name in IDENTIFIERS:
                numbers = pc.add(table[name].cast(pa.int64()), copy * STRIDE)
                fresh = fresh.set_column(
                    table.column_names.index(name), name, numbers.cast(pa.string())
                )
            writer.write_table(fresh.slice(0, min(table.num_rows, rows - copy * table.num_rows)))
    return rows


def _work(reader: str, file: Path) -> int:
    if reader == PANDAS:
        _check_with_pandas(file, encounter_schema())
        return 0
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        outputs = IngestOutputs(
            *(str(Path(folder) / name) for name in (*RUN_TABLES, "quarantine", "quality.html"))
        )
        settings = Settings(
            tracking_uri="sqlite:///none",
            artifact_uri="file:///none",
            bundle_store="file:///none",
            data_prefix="file:///none",
            state_dir=Path(folder),
            deploy_target=TargetName.LOCAL,
            run_id="bench",
        )
        run(str(file), "", 5, 0.01, outputs, settings, Report("ingest"))
    return 0


def _check_with_pandas(file: Path, schema: Schema) -> None:
    """Hold a whole frame to the same rules, as one would write it with pandas."""
    frame = pd.read_csv(file, keep_default_na=False)
    assert tuple(frame.columns) == schema.names
    for column in schema:
        if column.kind is Kind.IDENTIFIER:
            assert frame[column.name].between(column.minimum, column.maximum).all()
            continue
        values = [v.item() if hasattr(v, "item") else v for v in frame[column.name].unique()]
        assert all(column.accepts(value) for value in values), column.name
    assert frame["encounter_id"].is_unique
    broken = pd.Series(False, index=frame.index)
    for rule in schema.rules:
        applies = pd.Series(True, index=frame.index)
        for name, wanted in rule.condition.items():
            applies &= frame[name].isin(wanted)
        broken |= applies & ~frame[list(rule.columns)].isin(rule.values).all(axis=1)
    assert broken.mean() < 0.01


if __name__ == "__main__":
    sys.exit(main())
