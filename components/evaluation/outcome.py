"""What the gate saw and decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.evaluation.contributions import Contribution
from components.evaluation.curves import Curves
from components.evaluation.gate import Decision
from components.evaluation.measured import Measured
from components.evaluation.metrics import Metrics
from components.evaluation.subgroups import Subgroup


@dataclass(frozen=True)
class Evaluation:
    """A candidate beside production, and the gate's decision.

    ``old`` is ``None`` and ``production_version`` empty before the first promotion. Curves,
    subgroups, contributions and ``latency_ms``, the milliseconds that one raw encounter takes, are
    the candidate's.
    """

    new: Measured
    old: Measured | None
    production_version: str
    curves: Curves
    subgroups: tuple[Subgroup, ...]
    contributions: tuple[Contribution, ...]
    latency_ms: float
    decision: Decision

    @property
    def candidate(self) -> Metrics:
        """The candidate's metrics."""
        return self.new.metrics

    @property
    def production(self) -> Metrics | None:
        """Production's metrics; ``None`` before the first promotion."""
        return self.old.metrics if self.old else None

    def summary(self) -> dict[str, Any]:
        """Return the decision and both models' metrics as plain JSON."""
        return {
            "promote": self.decision.promote,
            "forced": self.decision.forced,
            "reasons": list(self.decision.reasons),
            "candidate": self.candidate.to_json(),
            "production": self.production.to_json() if self.production else None,
            "production_version": self.production_version,
            "latency_ms": self.latency_ms,
            "intervals": {
                name: {metric: i.to_json() for metric, i in side.intervals.items()}
                for name, side in (("candidate", self.new), ("production", self.old))
                if side
            },
        }

    def to_json(self) -> dict[str, Any]:
        """Return the summary with contributions and subgroups, each with its AUC lost or won."""
        return {
            **self.summary(),
            "subgroups": [group.to_json() for group in self.subgroups],
            "contributions": {", ".join(c.columns): c.mean for c in self.contributions},
        }
