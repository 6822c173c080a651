"""What the gate's rules are made of: their limits, and the outcome of each."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.bootstrap import Interval


@dataclass(frozen=True)
class GateRules:
    """Limits of the gate.

    The floors hold for every candidate; the last four are about the comparison with production.

    Attributes:
        min_auc: least AUC.
        min_f1_gain: least F1 at the threshold, above that of calling everybody readmitted; below 0
            for a threshold that was chosen for something else than F1.
        min_slope: least calibration slope.
        max_slope: greatest calibration slope.
        max_intercept: greatest calibration intercept in log-odds, on either side of 0.
        max_latency_ms: most milliseconds that scoring one raw encounter may take.
        max_auc_drop: AUC that the candidate may lose against production.
        max_subgroup_drop: AUC that it may lose on any one subgroup of the patients.
        allow_synthetic: let a model of synthetic data replace one of real data.
        force: promote against the comparison; the floors hold all the same.
    """

    min_auc: float
    min_f1_gain: float
    min_slope: float
    max_slope: float
    max_intercept: float
    max_latency_ms: float
    max_auc_drop: float
    max_subgroup_drop: float
    allow_synthetic: bool
    force: bool


@dataclass(frozen=True)
class Rule:
    """What a rule demands, with its numbers, and whether it holds."""

    holds: bool
    demand: str

    def __str__(self) -> str:
        return f"{'ok' if self.holds else 'FAILED'}: {self.demand}"


def beyond_chance(value_holds: bool, chance_holds: bool, demand: str) -> Rule:
    """Return a rule that fails beyond chance alone, and says where chance decided.

    Args:
        value_holds: whether the value is as demanded.
        chance_holds: whether its 95 % interval reaches what is demanded.
        demand: with its numbers.
    """
    owed = chance_holds and not value_holds
    return Rule(value_holds or chance_holds, f"{demand}, within chance" if owed else demand)


def signed(interval: Interval) -> str:
    """Return a difference with its interval as text."""
    return f"{interval.value:+.4f} (95 % {interval.low:+.4f} to {interval.high:+.4f})"
