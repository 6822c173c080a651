"""The decision threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve


def best_f1_threshold(labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> float:
    """Return the probability that maximises F1 on these rows; shapes ``(rows,)``."""
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[int(np.argmax(f1[:-1]))])
