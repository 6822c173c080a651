"""How long a bundle takes to score one raw encounter."""

from __future__ import annotations

import time
from statistics import median

from components.errors import BundleError
from components.features.row import Row
from components.registry.bundle import Bundle

_REPEATS = 5


def single_row_latency(bundle: Bundle) -> float:
    """Return the median milliseconds of scoring a golden row alone, from raw values to risk.

    Each golden row is scored five times, after all were scored once. The median, since on a shared
    machine other processes make the slowest calls.

    Raises:
        BundleError: there are no golden rows.
    """
    rows = bundle.golden.rows
    if not rows:
        raise BundleError("bundle: it holds no golden rows, so its latency cannot be measured")
    for row in rows:
        bundle.score_rows([row])
    return median(_milliseconds(bundle, row) for _ in range(_REPEATS) for row in rows)


def _milliseconds(bundle: Bundle, row: Row) -> float:
    started = time.perf_counter()
    bundle.score_rows([row])
    return 1000 * (time.perf_counter() - started)
