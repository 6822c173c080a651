"""Measure the encoder on one core: whole tables, single rows, and whether both give the same bits.

``make bench-features DATA=...`` fits the encoder on the file, as the features step does, then
encodes the file as one table, and rows of it one by one and by the hundred, as serving does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from benching import markdown, read_file, usable

from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.features.fit import fit_encoder
from components.features.target import Target
from components.ingest.synthetic import synthesise
from components.schema import encounter_schema

REPEATS = 5
SINGLE_ROWS = 5_000
REQUEST_ROWS = 100


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="csv or zip of encounters; else synthetic")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic cohort")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table = usable(read_file(options.data) if options.data else synthesise(options.rows, seed=7))
    encoder = fit_encoder(table, Target.ANY.labels(table), encounter_schema()).encoder
    print(f"{table.num_rows:,} encounters, {encoder.width} encoded columns, one core\n")
    print(markdown(("what", "measured", "target"), _lines(encoder, table)))
    return 0


def _lines(encoder: Encoder, table: pa.Table) -> list[tuple[str, str, str]]:
    part = table.slice(0, SINGLE_ROWS)
    rows = part.select([column.name for column in encounter_schema().features]).to_pylist()
    requests = [rows[at : at + REQUEST_ROWS] for at in range(0, len(rows), REQUEST_ROWS)]
    same = encoder.encode_rows(rows).tobytes() == encode_table(encoder, part).tobytes()
    batch = table.num_rows / _best(lambda: encode_table(encoder, table))
    single = _best(lambda: [encoder.encode_row(row) for row in rows]) / len(rows)
    hundred = _best(lambda: [encoder.encode_rows(request) for request in requests]) / len(rows)
    return [
        ("a table, rows/s", f"{batch:,.0f}", ">= 100,000"),
        ("one row, us", f"{single * 1e6:.1f}", "< 50"),
        (f"one of {REQUEST_ROWS} rows, us", f"{hundred * 1e6:.1f}", ""),
        ("row by row and as a table the same bits", "yes" if same else "no", "yes"),
    ]


def _best(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some runs."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    sys.exit(main())
