"""Labels and risks to measure."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.evaluation.calibration import Labels, Probabilities

SEED = st.integers(0, 2**32 - 1)


def drawn(seed: int, rows: int = 500, skill: float = 1.0) -> tuple[Labels, Probabilities]:
    """Return labels of both classes and risks that tell them apart by ``skill``, with ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.4).astype(np.int8)
    labels[:2] = 0, 1
    risks = 1 / (1 + np.exp(-(skill * (labels - 0.4) + rng.normal(size=rows))))
    return labels, risks.round(3)


def owners(rows: int, seed: int = 0) -> NDArray[np.int64]:
    """Return a patient of each row; most have several."""
    return np.random.default_rng(seed).integers(1, rows // 2, rows)
