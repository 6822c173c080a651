"""What the gate saw and decided."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.gate import Decision
from components.evaluation.metrics import Curves, Metrics


@dataclass(frozen=True)
class Evaluation:
    """A candidate's metrics beside production's, and the gate's decision.

    ``production`` is ``None`` and ``production_version`` empty before the first promotion.
    """

    candidate: Metrics
    production: Metrics | None
    production_version: str
    curves: Curves
    decision: Decision
