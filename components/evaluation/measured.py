"""One model on the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.evaluation.bootstrap import Interval
from components.evaluation.metrics import Metrics


@dataclass(frozen=True)
class Measured:
    """A model's metrics; ``intervals`` are those of :data:`~bootstrap.WITH_INTERVAL`, by name."""

    metrics: Metrics
    intervals: Mapping[str, Interval]

    def bounds(self) -> dict[str, float]:
        """Return the ends of the intervals as ``auc_low``, ``auc_high`` and so on."""
        return {
            f"{name}_{end}": getattr(interval, end)
            for name, interval in self.intervals.items()
            for end in ("low", "high")
        }
