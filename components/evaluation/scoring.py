"""Score raw tables through a bundle's own encoder and model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.features.batch import encode_table
from components.registry.bundle import Bundle


def score_table(bundle: Bundle, table: pa.Table) -> NDArray[np.float64]:
    """Return the probability of readmission of each raw encounter; shape ``(rows,)``."""
    return bundle.score(encode_table(bundle.encoder, table))
