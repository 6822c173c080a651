from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_bundle
from numpy.typing import NDArray

from components.errors import BundleError
from components.evaluation.latency import single_row_latency
from components.registry.bundle import Bundle


class Slow(Bundle):
    """Takes a known time for the model, and far longer for the first call and a few others."""

    calls = 0

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        assert matrix.shape[0] == 1
        time.sleep(0.05 if self.calls % 5 == 0 else 0.002)
        self.calls += 1
        return super().score(matrix)


def again(bundle: Bundle, kind: type[Bundle], *, golden: bool) -> Bundle:
    rows = bundle.golden if golden else None
    return kind(bundle.schema, bundle.encoder, bundle.facts, bundle.model, golden=rows)


def test_the_latency_is_the_median_milliseconds_of_one_row(tmp_path: Path) -> None:
    slow = again(tiny_bundle(tmp_path / "bundle"), Slow, golden=True)
    assert 2.0 < single_row_latency(slow) < 20.0


def test_a_bundle_without_golden_rows_has_no_latency(tmp_path: Path) -> None:
    bundle = again(tiny_bundle(tmp_path / "bundle"), Bundle, golden=False)
    with pytest.raises(BundleError, match="no golden rows"):
        single_row_latency(bundle)
