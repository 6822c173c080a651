"""A small search: its matrices, its budget, and a process that can be killed in the middle.

``python searches.py FOLDER`` searches with one trial at a time, keeps its journal in FOLDER, prints
``ended`` after each trial, and at the end the trials as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from builders import labels, random_rows, rows_table, tiny_encoder

from components.features.batch import encode_table
from components.tuning.families import families
from components.tuning.family import Matrices
from components.tuning.journal import Journal
from components.tuning.runtime import ray_runtime
from components.tuning.search import Budget, search

SEED = 5
BUDGET = Budget(trials=8, seconds=200)  # of seconds more than enough: trials end it


def small_matrices(rows: int = 900) -> Matrices:
    """Encode random encounters; every third row is of the patient of the row before."""
    table = random_rows(rows, seed=20)
    x = encode_table(tiny_encoder(), rows_table(table))
    y = np.array([label != "NO" for label in labels(table, seed=21)], np.int8)
    patient = np.arange(rows, dtype=np.int64) * 2 // 3
    cut = rows * 2 // 3
    return Matrices(x[:cut], y[:cut], x[cut:], y[cut:], patient[:cut], patient[cut:])


def main(folder: Path) -> None:
    """Search, or go on with the search whose journal lies in ``folder``."""
    data = small_matrices()
    with ray_runtime(1, data) as at_once, tempfile.TemporaryDirectory() as scratch:
        found = search(
            families(),
            data,
            BUDGET,
            SEED,
            Journal(folder),
            Path(scratch),
            lambda _: print("ended", flush=True),
            at_once,
        )
    print(json.dumps([asdict(trial) for trial in found.trials]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
