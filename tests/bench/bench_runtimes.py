"""Measure what scores encoded rows, on one core: microseconds a row at several sizes of a call.

``make bench-runtimes DATA=...`` fits each family in the size that a search ends with, writes its
bundle, and times on rows that were not fitted on: the fitted model's own ``predict``, XGBoost's
``inplace_predict`` on the bundle's booster, ONNX Runtime on the bundle's graph, Treelite's general
tree inference on the booster, and ``serving.runtime.Runtime``, which takes one of them.

A call never sees the rows of an earlier one in its pass, and no two of the rows are equal: over a
few rows again and again a processor learns the ways through the trees by heart. Runtimes of one
size are timed in turn and the fastest pass of each counts. Trees that are compiled ahead (tl2cgen)
are out: they need a compiler wherever a model is built, and make machine code of a bundle that is
data.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import treelite
from benching import markdown, read_file, usable
from fitted import REALISTIC, Fitted, fitted, training

from components.features.batch import encode_table
from components.ingest.synthetic import synthesise
from components.registry.session import open_session
from components.tuning.export import predict
from components.tuning.family import Matrix
from serving.runtime import MANY_ROWS, Runtime

FITTED_ON = 20_000
DISTINCT = 10_000
SHOWN = (1, 16, 64, 128, 1_000)
SIZES = (1, 8, 16, 24, 32, 40, 48, 64, 96, 128, 256, 512, 1_000)
"""Where the two that are served meet is looked for more finely than is shown."""
REPEATS = 3
LONGEST_PASS = 2.0
"""Seconds; at some milliseconds a call not all rows are seen."""

MODEL, BOOSTER, GRAPH, WALKED, SERVED = (
    "fitted model",
    "XGBoost",
    "ONNX Runtime",
    "Treelite",
    "serving",
)
Score = Callable[[Matrix], Any]
Times = Mapping[str, Mapping[int, float]]


def main() -> int:
    """Fit, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="csv or zip of encounters; else synthetic")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    every = read_file(options.data) if options.data else synthesise(3 * FITTED_ON, seed=7)
    table = usable(every)
    on = training(table.slice(0, FITTED_ON))
    rows = distinct(encode_table(on.encoder, table.slice(FITTED_ON)))[:DISTINCT]
    print(f"{len(rows):,} distinct rows of {rows.shape[1]} encoded columns, one core\n")
    lines, remarks = [], []
    for family in REALISTIC:
        with tempfile.TemporaryDirectory() as folder:
            made = fitted(family, on, Path(folder))
        scores = runtimes(made)
        times = measured(scores, rows)
        lines += [_line(family, size, times) for size in SHOWN]
        largest = max(difference(score, scores[MODEL], rows) for score in scores.values())
        said = (_described(family, made), f"all agree within {largest:.0e}", _said(times))
        remarks.append("- " + "; ".join(said))
    header = ("family", "rows a call", MODEL, BOOSTER, GRAPH, WALKED, SERVED)
    print(markdown(header, lines), *remarks, sep="\n")
    return 0


def distinct(matrix: Matrix) -> Matrix:
    """Return the rows that no earlier one equals, in their order."""
    _, first = np.unique(matrix, axis=0, return_index=True)
    return np.ascontiguousarray(matrix[np.sort(first)])


def runtimes(made: Fitted) -> dict[str, Score]:
    """Return what scores a model's rows, each on one thread."""
    session = open_session(made.bundle.model)
    name = session.get_inputs()[0].name
    served = Runtime(made.bundle)
    found: dict[str, Score] = {
        MODEL: partial(predict, made.model),
        GRAPH: lambda rows: session.run(["probabilities"], {name: rows})[0][:, 1],
        SERVED: served.score,
    }
    if made.bundle.facts.family != "logistic_regression":
        found[BOOSTER] = partial(served.booster.inplace_predict, validate_features=False)
        walked = treelite.frontend.from_xgboost(served.booster)
        found[WALKED] = partial(treelite.gtil.predict, walked, nthread=1)
    return found


def measured(runtimes: Mapping[str, Score], rows: Matrix) -> Times:
    """Return each runtime's seconds a row by the rows of a call."""
    times: dict[str, dict[int, float]] = {name: {} for name in runtimes}
    for size in SIZES:
        for _ in range(REPEATS):
            for name, score in runtimes.items():
                if size not in SHOWN and name not in (BOOSTER, GRAPH):
                    continue
                found = _pass(score, rows, size)
                times[name][size] = min(found, times[name].get(size, found))
    return times


def _pass(score: Score, rows: Matrix, size: int) -> float:
    """Return the seconds a row of one pass over the rows."""
    done, began, ended = 0, time.perf_counter(), 0.0
    for at in range(0, len(rows) - size + 1, size):
        score(rows[at : at + size])
        done, ended = done + size, time.perf_counter()
        if ended - began > LONGEST_PASS:
            break
    return (ended - began) / done


def difference(score: Score, model: Score, rows: Matrix) -> float:
    """Return the largest difference from the model's risks, to tell that the same is timed."""
    return float(np.abs(np.ravel(score(rows)) - model(rows)).max())


def crossover(times: Times) -> int | None:
    """Return the size from which the booster is the quicker one at every larger size as well."""
    quicker = [size for size in SIZES if times[BOOSTER][size] < times[GRAPH][size]]
    lasting = [size for size in quicker if all(s in quicker for s in SIZES if s > size)]
    return min(lasting, default=None)


def _line(family: str, size: int, times: Times) -> Sequence[str]:
    cells = (times.get(name, {}).get(size) for name in (MODEL, BOOSTER, GRAPH, WALKED, SERVED))
    return [family, f"{size:,}", *("-" if c is None else f"{c * 1e6:,.1f}" for c in cells)]


def _described(family: str, made: Fitted) -> str:
    booster, resource = Runtime(made.bundle).booster, REALISTIC[family]
    graph = f"a graph of {len(made.bundle.model) / 2**20:.1f} MiB"
    if family == "logistic_regression":
        return f"{family}: {made.bundle.encoder.width} coefficients, {graph}"
    leaves = sum(tree.count("leaf=") for tree in booster.get_dump())
    return f"{family}: {resource} trees, {leaves:,} leaves, {graph}"


def _said(times: Times) -> str:
    if BOOSTER not in times:
        return "its booster explains and never scores"
    size = crossover(times)
    quicker = "XGBoost is never the quicker one" if size is None else f"XGBoost from {size} rows"
    return f"{quicker}; serving.runtime.MANY_ROWS is {MANY_ROWS}"


if __name__ == "__main__":
    sys.exit(main())
