"""Why an encounter has its risk: contributions of raw columns to the model's margin.

XGBoost computes them from the bundle's booster: exact SHAP values of trees (TreeSHAP: Lundberg et
al. 2020, doi 10.1038/s42256-019-0138-9), coefficient x value of a linear model.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.row import Values
from serving.payload import PayloadReader
from serving.scoring import Scorer, Unseen, at_once, joined

_MOST, _MOST_OF_A_FOREST = 100, 10
"""Most encounters of a request: of a forest, whose leaves are many, one takes 80 ms."""

Numbers = NDArray[np.float64]


class Explainer:
    """Explains encounters with a bundle's explaining booster, in a thread of its own.

    Attributes:
        most: encounters that one request may hold.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer, self._bundle = scorer, scorer.bundle
        forest = self._bundle.facts.family == "random_forest"
        self.most = _MOST_OF_A_FOREST if forest else _MOST
        self._reader = PayloadReader(self._bundle.schema, self._bundle.encoder, self.most)
        self._thread = ThreadPoolExecutor(1, "explain")

    async def explain(self, body: Any) -> tuple[list[dict[str, Any]], Unseen]:
        """Return an explanation of each encounter of a V1 body, and the values that are unseen.

        The contributions are sorted by size; with the base value they sum to the margin: log-odds,
        or for a forest the probability before calibration. Columns that are encoded together, such
        as the three diagnoses' comorbidities, contribute together.

        Raises:
            RequestError: the body is not what the schema allows, or has too many rows (413).
            NotImplementedError: the bundle has no explaining booster.
        """
        if self._bundle.explainer is None:
            raise NotImplementedError("this bundle cannot be explained: it has no booster")
        batch = at_once(joined(self._reader.read_instances(body)))
        matrix, loop = batch.matrix, asyncio.get_running_loop()
        shap = await loop.run_in_executor(self._thread, self._shap, matrix)
        scored = self._scorer.score(batch)
        told = zip(scored.values, shap, scored.probabilities, scored.identifiers, strict=True)
        explanations = [
            {**self._explanation(row, parts, float(risk)), **identifiers}
            for row, parts, risk, identifiers in told
        ]
        return explanations, scored.unseen

    def _shap(self, matrix: NDArray[np.float32]) -> Numbers:
        """Return encoded columns' contributions and the base value, ``(rows, width + 1)``."""
        from xgboost import DMatrix

        found = self._scorer.runtime.booster.predict(DMatrix(matrix, nthread=1), pred_contribs=True)
        return np.asarray(found, dtype=np.float64)

    def _explanation(self, row: Values, parts: Numbers, probability: float) -> dict[str, Any]:
        sent = dict(zip(self._scorer.names, row, strict=True))
        moved = {
            columns: float(parts[places].sum())
            for columns, places in self._bundle.encoder.places.items()
        }
        contributions = [
            {
                "columns": list(columns),
                "values": [sent[column] for column in columns],
                "contribution": moved[columns],
            }
            for columns in sorted(moved, key=lambda columns: -abs(moved[columns]))
        ]
        return {
            "probability": probability,
            "margin": float(parts.sum()),
            "base_value": float(parts[-1]),
            "contributions": contributions,
        }
