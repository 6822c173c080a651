"""Score and measure raw tables through a bundle's own encoder and model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.evaluation.bootstrap import metric_intervals
from components.evaluation.measured import Measured
from components.features.batch import encode_table
from components.registry.bundle import Bundle, Facts

SEED = 20140211
"""Of every bootstrap: the same rows and risks give the same intervals."""


@dataclass(frozen=True)
class Scored:
    """What a bundle makes of a table's rows; ``risks`` have shape ``(rows,)``."""

    facts: Facts
    risks: NDArray[np.float64]
    measured: Measured


def scored(bundle: Bundle, table: pa.Table, labels: NDArray[np.int8]) -> Scored:
    """Score and measure a table through a bundle; shape of ``labels`` ``(rows,)``."""
    risks = score_table(bundle, table)
    threshold, patients = bundle.facts.threshold, patients_of(table)
    measured = Measured(*metric_intervals(labels, risks, threshold, patients, seed=SEED))
    return Scored(bundle.facts, risks, measured)


def score_table(bundle: Bundle, table: pa.Table) -> NDArray[np.float64]:
    """Return the probability of readmission of each raw encounter; shape ``(rows,)``."""
    return bundle.score(encode_table(bundle.encoder, table))


def patients_of(table: pa.Table) -> NDArray[np.int64]:
    """Return the patient number of each row; shape ``(rows,)``."""
    patients: NDArray[np.int64] = table["patient_nbr"].to_numpy()
    return patients
