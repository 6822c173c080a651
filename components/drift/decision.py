"""Whether to retrain: by the size of a shift, never by a p-value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.drift.statistics import ColumnDrift


@dataclass(frozen=True, slots=True)
class DriftDecision:
    """Whether to retrain, and why."""

    retrain: bool
    reasons: tuple[str, ...]


def decide(
    drifts: Sequence[ColumnDrift], batch: int, threshold: float, force: bool
) -> DriftDecision:
    """Decide on retraining.

    At 16,000 rows every calendar shift has p < 0.05; a PSI of 0.2 is the customary line of action
    (Siddiqi 2006), and same-population batches of this data never reach 0.1.

    Args:
        drifts: every column's PSI.
        batch: 0 always trains, there is nothing to compare with yet.
        threshold: PSI from which a column counts as drifted.
        force: retrain whatever the columns say.
    """
    if batch == 0:
        return DriftDecision(True, ("initial training",))
    drifted = [f"{d.column} PSI {d.psi:.2f}" for d in drifts if d.psi >= threshold]
    if drifted:
        return DriftDecision(True, (f"drifted: {', '.join(drifted)}",))
    largest = f"largest shift: {drifts[0].column} PSI {drifts[0].psi:.3f}, below {threshold}"
    if force:
        return DriftDecision(True, ("forced by drift_force", largest))
    return DriftDecision(False, (f"no column drifted; {largest}",))
