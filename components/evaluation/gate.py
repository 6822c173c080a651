"""The gate: every rule that a candidate must pass, each with its number."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.comparison import Comparison
from components.evaluation.floors import floors
from components.evaluation.measured import Measured
from components.evaluation.rules import GateRules


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and the outcome of every rule.

    ``forced`` is whether it promotes although the comparison with production speaks against it.
    """

    promote: bool
    reasons: tuple[str, ...]
    forced: bool


def decide(
    candidate: Measured, latency_ms: float, comparison: Comparison | None, rules: GateRules
) -> Decision:
    """Apply the gate.

    Args:
        candidate: the candidate's metrics on the test rows.
        latency_ms: what it takes to score one raw encounter.
        comparison: with production; ``None`` for a first deployment, which needs the floors alone.
        rules: the limits.
    """
    sound = floors(candidate, latency_ms, rules)
    compared = comparison.rules(rules) if comparison else []
    fit, better = (all(rule.holds for rule in found) for found in (sound, compared))
    forced = fit and rules.force and not better
    reasons = [str(rule) for rule in (*sound, *compared)]
    if comparison is None:
        reasons.append("ok: first deployment, no production model to compare with")
    if forced:
        reasons.append("forced by gate_force against the comparison")
    return Decision(fit and (better or forced), tuple(reasons), forced)
