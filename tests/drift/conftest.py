"""A stream without drift: synthetic encounters whose order in time was drawn at random."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.ingest.synthetic import synthesise

ROWS = 16_000


@pytest.fixture(scope="session")
def cohort() -> pa.Table:
    """Return encounters in random order, numbered in that order."""
    made = synthesise(ROWS, seed=11)
    shuffled = made.take(np.random.default_rng(0).permutation(made.num_rows))
    at = shuffled.column_names.index("encounter_id")
    return shuffled.set_column(at, "encounter_id", pa.array(np.arange(1, ROWS + 1)))


@pytest.fixture(scope="session")
def halves(cohort: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return a reference and a batch of the same population."""
    return cohort.slice(0, 9_000), cohort.slice(9_000)
