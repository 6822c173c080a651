"""The leak check: a column that alone tells the label too well holds the outcome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from components.errors import InputError

_NAMED = 3


def check_leaks(
    matrix: NDArray[np.float32], labels: NDArray[np.int8], names: Sequence[str], most: float
) -> tuple[str, float]:
    """Check the encoded training rows.

    What a hospital knows at discharge tells little alone: the best column of the dataset, the
    number of inpatient visits before, reaches an AUC of about 0.6, all of them together 0.71. A
    column far above that was filled after the fact, or carries an identifier.

    Args:
        matrix: encoded rows, shape ``(rows, columns)``.
        labels: 0 or 1, shape ``(rows,)``; both occur.
        names: of the columns.
        most: largest AUC that one column may reach, in either direction.

    Returns:
        The column with the largest AUC, and that AUC.

    Raises:
        InputError: columns reach more; names them.
    """
    reached = np.array([_auc(matrix[:, column], labels) for column in range(len(names))])
    order = np.argsort(-reached)
    leaking = [f"{names[c]} ({reached[c]:.3f})" for c in order if reached[c] > most]
    if leaking:
        more = f" and {len(leaking) - _NAMED} more" if len(leaking) > _NAMED else ""
        raise InputError(
            f"features: {', '.join(leaking[:_NAMED])}{more}: the column alone tells the label with "
            f"an AUC above features_max_column_auc = {most}; remove it if it holds the outcome, "
            "else raise the limit"
        )
    return names[int(order[0])], float(reached[order[0]])


def _auc(column: NDArray[np.float32], labels: NDArray[np.int8]) -> float:
    """Return the AUC of a column, or of its opposite (Mann and Whitney 1947)."""
    positive = int(labels.sum())
    ranks = float(rankdata(column)[labels == 1].sum()) - positive * (positive + 1) / 2
    auc = ranks / (positive * (labels.size - positive))
    return max(auc, 1 - auc)
