"""The gate: every rule that a candidate must pass, each with its number."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.bootstrap import Interval
from components.evaluation.metrics import Metrics


@dataclass(frozen=True)
class GateRules:
    """Limits of the gate.

    Attributes:
        min_auc: floor of the candidate's AUC.
        max_auc_drop: AUC that the candidate may lose against production.
        allow_synthetic: let a model of synthetic data replace one of real data.
        force: promote against the comparison; the floors hold all the same.
    """

    min_auc: float
    max_auc_drop: float
    allow_synthetic: bool
    force: bool


@dataclass(frozen=True)
class Comparison:
    """The candidate against production, on the same raw rows.

    Attributes:
        version: production's version number.
        difference: candidate AUC minus production AUC.
        same_target: whether both predict the same label.
        loses_real_data: production was trained on real data, the candidate on synthetic.
    """

    version: str
    difference: Interval
    same_target: bool
    loses_real_data: bool


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and the outcome of every rule."""

    promote: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Rule:
    passed: bool
    text: str


def decide(candidate: Metrics, comparison: Comparison | None, rules: GateRules) -> Decision:
    """Apply the gate.

    Args:
        candidate: the candidate's metrics on the test rows.
        comparison: with production; ``None`` for a first deployment, which needs the floors alone.
        rules: the limits.
    """
    floors = _floors(candidate, rules)
    compared = _compared(comparison, rules)
    forced = rules.force and not all(rule.passed for rule in compared)
    promote = all(rule.passed for rule in floors) and (forced or all(r.passed for r in compared))
    reasons = [f"{'ok' if rule.passed else 'FAILED'}: {rule.text}" for rule in (*floors, *compared)]
    if comparison is None:
        reasons.append("ok: first deployment, no production model to compare with")
    if forced:
        reasons.append("forced by gate_force against the comparison")
    return Decision(promote, tuple(reasons))


def _floors(m: Metrics, rules: GateRules) -> list[_Rule]:
    return [
        _Rule(m.auc >= rules.min_auc, f"AUC {m.auc:.4f} >= floor {rules.min_auc:.4f}"),
        _Rule(
            m.average_precision > m.no_skill_average_precision,
            f"average precision {m.average_precision:.4f} > no-skill "
            f"{m.no_skill_average_precision:.4f}",
        ),
        _Rule(m.brier < m.no_skill_brier, f"Brier {m.brier:.4f} < no-skill {m.no_skill_brier:.4f}"),
    ]


def _compared(comparison: Comparison | None, rules: GateRules) -> list[_Rule]:
    if comparison is None:
        return []
    d, version = comparison.difference, comparison.version
    found = [
        _Rule(
            d.value >= -rules.max_auc_drop,
            f"AUC {d.value:+.4f} (95 % {d.low:+.4f} to {d.high:+.4f}) against version {version} "
            f">= {-rules.max_auc_drop:+.4f}",
        )
    ]
    if not comparison.same_target:
        found.append(_Rule(False, f"version {version} predicts another target"))
    if comparison.loses_real_data and not rules.allow_synthetic:
        text = f"version {version} was trained on real data, the candidate on synthetic data"
        found.append(_Rule(False, text))
    return found
