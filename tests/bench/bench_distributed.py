"""Measure the distributed final fit beside that of one process, on a synthetic cohort.

``make bench-distributed`` fits the same XGBoost on the same encounters in both ways, each in a
process of its own, and scores the same held-out encounters: seconds from raw rows to booster,
memory of all processes, AUC.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from benching import markdown, peak_memory, usable
from sklearn.metrics import roc_auc_score

from components.events import Report
from components.features import step as features
from components.features.batch import encode_table
from components.features.target import Target
from components.ingest.split import spread
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, read_table, write_table
from components.tuning.boosting import XGBOOST
from components.tuning.distributed import Tables, fit_distributed, read_fitted
from components.tuning.export import predict
from components.tuning.runtime import ray_runtime
from pipelines.state import LIBRARIES

CORES = len(os.sched_getaffinity(0))
SIZES = (1_000_000, 10_000_000)
PIECE_ROWS = 1_000_000
HELD_OUT_ROWS = 100_000
SAMPLE_ROWS = 200_000
VALIDATION_SHARE = 0.1
SEED = 0
MOST_COLUMN_AUC = 0.8
WAYS = ("distributed", "one process")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--fit", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.update(LIBRARIES)
    if options.fit:
        _fit(options.fit, options.folder, options.rounds)
        return 0
    lines = []
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            _prepare(rows, Path(folder))
            lines += [_measured(way, rows, Path(folder), options.rounds) for way in WAYS]
    header = ("fit", "rows", "seconds", "rows/s", "peak memory, GiB", "AUC")
    print(f"{CORES} cores, {options.rounds} rounds\n")
    print(markdown(header, lines))
    return 0


def _prepare(rows: int, folder: Path) -> None:
    """Write the raw rows, piece by piece, and fit the encoder on them."""
    pieces = [_piece(min(PIECE_ROWS, rows - at), at) for at in range(0, rows, PIECE_ROWS)]
    table = pa.concat_tables(pieces)
    later = spread(table["patient_nbr"].to_numpy()) < VALIDATION_SHARE
    provenance = Provenance("bench", "0" * 64, rows, synthetic=True, batch=0)
    write_table(table.filter(pa.array(~later)), str(folder / "train"), provenance)
    write_table(table.filter(pa.array(later)), str(folder / "validation"), provenance)
    write_table(_piece(HELD_OUT_ROWS, rows), str(folder / "held"), provenance)
    sides = str(folder / "train"), str(folder / "validation")
    out, report = str(folder / "matrices"), Report("features")
    features.run(*sides, "any", MOST_COLUMN_AUC, out, report, sample_rows=SAMPLE_ROWS)


def _piece(rows: int, at: int) -> pa.Table:
    """Return usable encounters whose patients no other piece holds."""
    made = usable(synthesise(rows, seed=at // PIECE_ROWS))
    patients = pa.array(made["patient_nbr"].to_numpy() + at * 1000)
    place = made.column_names.index("patient_nbr")
    return made.set_column(place, "patient_nbr", patients).unify_dictionaries()


def _measured(way: str, rows: int, folder: Path, rounds: int) -> tuple[str, ...]:
    needed, there = _needed_gib(rows, folder), psutil.virtual_memory().available / 2**30
    if way != "distributed" and needed > there:
        why = f"not run: needs about {needed:.0f} GiB, {there:.0f} are there"
        return (way, f"{rows:,}", why, "", "", "")
    command = [sys.executable, __file__, "--fit", way, "--folder", str(folder)]
    process = subprocess.Popen(
        [*command, "--rounds", str(rounds)], stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    with process, peak_memory(process.pid) as peak:
        code = process.wait()
    if code:
        raise SystemExit(f"the fit failed: {way}")
    found = json.loads((folder / "found.json").read_text("utf-8"))
    rate, seconds = rows / found["seconds"], found["seconds"]
    shown = f"{seconds:.0f}", f"{rate:,.0f}", f"{peak.gib:.1f}", f"{found['auc']:.4f}"
    return (way, f"{rows:,}", *shown)


def _needed_gib(rows: int, folder: Path) -> float:
    """Return what one process needs: the encoded rows, once more while they are joined, binned."""
    width = read_fitted(folder / "matrices").encoder.width
    return rows * width * (4 + 4 + 1) / 2**30


def _fit(way: str, folder: Path, rounds: int) -> None:
    tables = Tables(
        str(folder / "train"), str(folder / "validation"), folder / "matrices", Target.ANY
    )
    fitted, parameters = read_fitted(tables.fitted), XGBOOST.start[0]
    began = time.monotonic()
    if way == "distributed":
        with ray_runtime(0, None) as workers, tempfile.TemporaryDirectory() as scratch:
            model = fit_distributed(parameters, rounds, tables, SEED, workers, Path(scratch))
    else:
        train, later = read_table(tables.train), read_table(tables.validation)
        x = np.concatenate([fitted.encode_training(train), encode_table(fitted.encoder, later)])
        y = np.concatenate([Target.ANY.labels(train), Target.ANY.labels(later)])
        model = XGBOOST.fit(parameters, rounds, x, y, SEED)
    seconds = time.monotonic() - began
    held = read_table(str(folder / "held"))
    risks = predict(model, encode_table(fitted.encoder, held))
    auc = float(roc_auc_score(Target.ANY.labels(held), risks))
    (folder / "found.json").write_text(json.dumps({"seconds": seconds, "auc": auc}), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
