"""Score and measure raw tables through a bundle's own encoder and model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.evaluation.bootstrap import metric_intervals
from components.evaluation.outcome import Measured
from components.features.batch import encode_table
from components.registry.bundle import Bundle

SEED = 20140211
"""Of every bootstrap: the same rows and risks give the same intervals."""


def score_table(bundle: Bundle, table: pa.Table) -> NDArray[np.float64]:
    """Return the probability of readmission of each raw encounter; shape ``(rows,)``."""
    return bundle.score(encode_table(bundle.encoder, table))


def measured_on(
    bundle: Bundle, table: pa.Table, labels: NDArray[np.int8], risks: NDArray[np.float64]
) -> Measured:
    """Measure the risks that a bundle gave a table's rows; shapes ``(rows,)``."""
    threshold = bundle.facts.threshold
    return Measured(*metric_intervals(labels, risks, threshold, patients_of(table), seed=SEED))


def patients_of(table: pa.Table) -> NDArray[np.int64]:
    """Return the patient number of each row; shape ``(rows,)``."""
    patients: NDArray[np.int64] = table["patient_nbr"].to_numpy()
    return patients
