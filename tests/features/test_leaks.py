from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import random_rows, rows_table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from components.errors import InputError
from components.events import Report
from components.features.leaks import check_leaks
from components.features.step import run
from components.ingest.tables import Provenance, write_table

PROVENANCE = Provenance("synthetic:rows=600", "0" * 64, 600, synthetic=True, batch=0)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1]))
@settings(max_examples=20, deadline=None)
def test_the_strongest_column_is_named_with_its_auc_in_either_direction(
    seed: int, way: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.array([0, 1] * 100, np.int8)
    matrix = rng.integers(0, 5, (200, 4)).astype(np.float32)
    matrix[:, 2] = way * (labels * 3 + rng.normal(0, 1, 200))
    name, auc = check_leaks(matrix, labels, ("a", "b", "c", "d"), 1.0)
    expected = roc_auc_score(labels, matrix[:, 2])
    assert name == "c"
    assert auc == pytest.approx(max(expected, 1 - expected))


def test_every_leaking_column_is_counted_and_the_worst_are_named() -> None:
    labels = np.array([0, 1] * 50, np.int8)
    matrix = np.tile(labels[:, None], (1, 5)).astype(np.float32)
    with pytest.raises(InputError, match=r"a \(1\.000\), b \(1\.000\), c \(1\.000\) and 2 more"):
        check_leaks(matrix, labels, tuple("abcde"), 0.75)


def test_a_column_that_holds_the_outcome_stops_the_step_and_leaves_nothing(tmp_path: Path) -> None:
    """An open column takes any value, so that an outcome can slip in under its name."""
    readmitted = ["NO", ">30", "<30"] * 200
    rows = [
        {**row, "payer_code": "LATER" if label == "NO" else "SOON"}
        for row, label in zip(random_rows(600, seed=1), readmitted, strict=True)
    ]
    for name in ("train", "validation"):
        write_table(rows_table(rows, readmitted), str(tmp_path / name), PROVENANCE)
    train, validation, out = (str(tmp_path / name) for name in ("train", "validation", "out"))
    with pytest.raises(InputError, match=r"payer_code.*features_max_column_auc = 0\.75") as error:
        run(train, validation, "any", 0.75, out, Report("features"))
    assert "\n" not in str(error.value)
    assert not Path(out).exists()
