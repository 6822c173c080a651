"""Which raw columns move a model's risks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xgboost as xgb

from components.features.batch import encode_table
from components.registry.bundle import Bundle

_ROWS = 500


@dataclass(frozen=True)
class Contribution:
    """Mean absolute SHAP value of what is encoded from some raw columns together."""

    columns: tuple[str, ...]
    mean: float


def contributions(bundle: Bundle, table: pa.Table) -> tuple[Contribution, ...]:
    """Return the contributions over at most 500 evenly spaced rows, largest first.

    In log-odds; for a forest, in probability. SHAP values of the encoded columns of one raw column
    are added before their absolute value is taken, since one value of it moves them all. Columns
    encoded together (the three diagnoses, the drugs' totals) are one. Empty for a bundle without
    an explainer.
    """
    if bundle.explainer is None:
        return ()
    rows = table.take(np.unique(np.linspace(0, table.num_rows - 1, _ROWS).astype(int)))
    booster = xgb.Booster(model_file=bytearray(bundle.explainer))
    values = booster.predict(xgb.DMatrix(encode_table(bundle.encoder, rows)), pred_contribs=True)
    found = [
        Contribution(columns, float(np.abs(values[:, places].sum(axis=1, dtype="f8")).mean()))
        for columns, places in bundle.encoder.places.items()
    ]
    return tuple(sorted(found, key=lambda contribution: -contribution.mean))
