"""What scores encoded rows in a server: ONNX Runtime, and for many rows at once the booster.

Each is the quickest where it is used, measured by ``make bench-runtimes``: XGBoost's predictor
takes a fifth of a millisecond a call, and then a third of ONNX Runtime's time for a boosted
model's row, as much as that for a forest's. Both give the trained model's probabilities within
1e-6, proven on the golden rows.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.errors import BundleError
from components.features.row import Matrix
from components.registry.bundle import TOLERANCE, Bundle

if TYPE_CHECKING:
    from xgboost import Booster

MANY_ROWS = 32
"""Rows from which the booster is the quicker one."""
_BOOSTED = "xgboost"


class Runtime:
    """Scores and explains with a bundle's two forms of the model."""

    def __init__(self, bundle: Bundle) -> None:
        """Load what scores.

        Raises:
            BundleError: the booster does not reproduce the golden rows.
        """
        self._bundle = bundle
        self._boosted = bundle.explainer is not None and bundle.facts.family == _BOOSTED
        if self._boosted:
            self._prove()

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the calibrated probability for each encoded row; shape ``(rows,)``."""
        if self._boosted and len(matrix) >= MANY_ROWS:
            return self._by_booster(matrix)
        return self._bundle.score(matrix)

    @cached_property
    def booster(self) -> Booster:
        """The bundle's booster, which must be there."""
        # Here, not above: other families need it for explanations alone, and most are never asked.
        from xgboost import Booster

        assert self._bundle.explainer is not None
        booster = Booster({"nthread": 1})
        booster.load_model(bytearray(self._bundle.explainer))
        return booster

    def _by_booster(self, matrix: Matrix) -> NDArray[np.float64]:
        risks = self.booster.inplace_predict(matrix, validate_features=False)
        return self._bundle.calibration.apply(np.asarray(risks, dtype=np.float64))

    def _prove(self) -> None:
        golden = self._bundle.golden
        found = self._by_booster(self._bundle.encoder.encode_rows(golden.rows))
        difference = float(np.abs(found - np.array(golden.probabilities)).max())
        if not difference <= TOLERANCE:  # a NaN fails too
            raise BundleError(
                f"bundle {self._bundle.digest[:12]}: its booster differs from its golden rows by "
                f"{difference:.2e} (allowed {TOLERANCE:.0e})"
            )
