"""Whether to retrain: by the size of a shift that is beyond chance, never by a p-value alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from components.drift.auc import Estimate
from components.drift.performance import AucDrop, LabelDrift, Performance
from components.drift.statistics import ColumnDrift, Measure

ALPHA = 0.05
"""False discovery rate of the column tests; they support an effect, they never decide."""

_NAMED = 6


@dataclass(frozen=True, slots=True)
class DriftRules:
    """Lines from which a shift counts; the defaults come from measured error rates.

    Attributes:
        psi: population stability index of a column, and of the label.
        max_shift: shift of a number, in the reference's standard deviations.
        classifier_auc: AUC of telling batch from reference; its interval must lie above.
        max_auc_drop: AUC that production may lose since its promotion.
        force: retrain whatever the batch says.
    """

    psi: float = 0.2
    max_shift: float = 0.15
    classifier_auc: float = 0.65
    max_auc_drop: float = 0.03
    force: bool = False

    def drifted(self, drift: ColumnDrift) -> bool:
        """Whether a column's shift is large, and beyond chance."""
        far = drift.measure is Measure.WASSERSTEIN and drift.distance >= self.max_shift
        return (far or drift.psi >= self.psi) and drift.p_adjusted < ALPHA

    def label_drifted(self, labels: LabelDrift) -> bool:
        """Whether prevalence changed by much, and beyond chance."""
        return labels.psi >= self.psi and labels.change.low * labels.change.high > 0

    def told_apart(self, classifier: Estimate) -> bool:
        """Whether batch and reference are surely told apart better than the line."""
        return classifier.low >= self.classifier_auc

    def fell(self, drop: AucDrop) -> bool:
        """Whether production lost more than it may, and more than sampling explains."""
        return drop.value > self.max_auc_drop and drop.at_least > 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found of a batch.

    Attributes:
        batch: its number; 0 is the initial training.
        version: production's; empty when there is none.
        columns: every feature, largest PSI first; none for the initial training.
        classifier: AUC of telling batch from reference; ``None`` when there were too few rows.
        performance: what the labels say.
    """

    batch: int
    version: str = ""
    columns: tuple[ColumnDrift, ...] = ()
    classifier: Estimate | None = None
    performance: Performance = field(default_factory=Performance)

    def to_json(self) -> dict[str, Any]:
        """Return the findings as plain JSON."""
        return {
            **asdict(self),
            "classifier": self.classifier.to_json() if self.classifier else None,
            "performance": self.performance.to_json(),
        }


@dataclass(frozen=True, slots=True)
class DriftDecision:
    """Whether to retrain, and why."""

    retrain: bool
    reasons: tuple[str, ...]


def decide(found: Findings, rules: DriftRules) -> DriftDecision:
    """Decide on retraining; every reason names its number.

    At 16,000 rows every calendar shift has p < 0.05, so that the size of a shift decides and a test
    only keeps chance out.
    """
    if found.batch == 0:
        return DriftDecision(True, ("initial training",))
    reasons = [*_columns(found.columns, rules), *_rest(found, rules)]
    if not found.version:
        reasons.insert(0, "no production model yet")
    if reasons:
        return DriftDecision(True, tuple(reasons))
    calm = tuple(_calm(found, rules))
    return (
        DriftDecision(True, ("forced by drift_force", *calm))
        if rules.force
        else (DriftDecision(False, calm))
    )


def shift(drift: ColumnDrift, rules: DriftRules) -> str:
    """Say a column's shift by the effect that stands out."""
    if drift.psi < rules.psi and drift.measure is Measure.WASSERSTEIN:
        return f"{drift.column} {drift.distance:.2f} sd"
    return f"{drift.column} PSI {drift.psi:.2f}"


def _columns(columns: Sequence[ColumnDrift], rules: DriftRules) -> list[str]:
    drifted = [shift(drift, rules) for drift in columns if rules.drifted(drift)]
    if not drifted:
        return []
    more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
    return [f"drifted: {', '.join(drifted[:_NAMED])}{more}"]


def _rest(found: Findings, rules: DriftRules) -> list[str]:
    reasons, labels, drop = [], found.performance.labels, found.performance.drop
    if found.classifier and rules.told_apart(found.classifier):
        reasons.append(f"{_told(found.classifier)}, above {rules.classifier_auc}")
    if labels and rules.label_drifted(labels):
        reasons.append(f"{_prevalence(labels)}, PSI {labels.psi:.2f}")
    if drop and rules.fell(drop):
        reasons.append(
            f"production AUC fell by {drop.value:.3f}, from {drop.promotion.value:.3f} to "
            f"{drop.batch.value:.3f}, more than {rules.max_auc_drop} and beyond "
            "sampling error"
        )
    return reasons


def _calm(found: Findings, rules: DriftRules) -> list[str]:
    psi, moved = found.columns[0], _furthest(found.columns)
    reasons = [f"no column drifted; largest PSI: {psi.column} {psi.psi:.3f} (line {rules.psi})"]
    if moved:
        reasons[0] += f", {moved.column} moved by {moved.distance:.3f} sd (line {rules.max_shift})"
    if found.classifier:
        reasons.append(f"{_told(found.classifier)}, not surely above {rules.classifier_auc}")
    if drop := found.performance.drop:
        reasons.append(
            f"production AUC {drop.batch.value:.3f}, {drop.promotion.value:.3f} at promotion: no "
            f"fall by more than {rules.max_auc_drop} beyond sampling error"
        )
    return reasons


def _furthest(columns: Sequence[ColumnDrift]) -> ColumnDrift | None:
    ordered = (drift for drift in columns if drift.measure is Measure.WASSERSTEIN)
    return max(ordered, key=lambda drift: drift.distance, default=None)


def _told(classifier: Estimate) -> str:
    return (
        f"batch told from reference with AUC {classifier.value:.3f} "
        f"(95 % {classifier.low:.3f} to {classifier.high:.3f})"
    )


def _prevalence(labels: LabelDrift) -> str:
    return f"readmitted {labels.after:.1%} against {labels.before:.1%} in the reference"
