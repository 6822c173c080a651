"""The candidate against production on the same raw rows, and the rules about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.evaluation.bootstrap import Interval
from components.evaluation.rules import GateRules, Rule, beyond_chance, signed
from components.evaluation.subgroups import LEAST_COMPARED, Subgroup


@dataclass(frozen=True)
class Comparison:
    """The candidate against production, on the same raw rows.

    Attributes:
        version: production's version number.
        difference: candidate AUC minus production AUC.
        subgroups: of the test rows, each with the same difference where it is large enough.
        same_target: whether both predict the same label.
        loses_real_data: production was trained on real data, the candidate on synthetic.
    """

    version: str
    difference: Interval
    subgroups: tuple[Subgroup, ...]
    same_target: bool
    loses_real_data: bool

    def rules(self, limits: GateRules) -> list[Rule]:
        """Return the outcome of each rule that there is an occasion for."""
        return [self._auc(limits), *self._groups(limits), *self._kind(limits)]

    def _auc(self, limits: GateRules) -> Rule:
        least = -limits.max_auc_drop
        text = f"AUC {signed(self.difference)} against version {self.version} >= {least:+.4f}"
        return Rule(self.difference.value >= least, text)

    def _groups(self, limits: GateRules) -> list[Rule]:
        """Return a rule for each subgroup that lost too much, or one for the worst.

        A subgroup fails when it lost more than its limit and the interval of the difference lies
        below 0: with a dozen subgroups of some hundreds of rows, one of them is below the limit by
        luck alone.
        """
        found = {f"{g.column} {g.level}": g.difference for g in self.subgroups if g.difference}
        if not found:
            return [Rule(True, f"no subgroup has more than {LEAST_COMPARED} test rows to compare")]
        rules = {name: self._group(name, found[name], limits) for name in found}
        lost = [rule for rule in rules.values() if not rule.holds]
        worst = rules[min(found, key=lambda name: found[name].value)]
        return lost or [Rule(True, f"worst {worst.demand}, {len(found)} compared")]

    def _group(self, name: str, difference: Interval, limits: GateRules) -> Rule:
        least = -limits.max_subgroup_drop
        return beyond_chance(
            difference.value >= least,
            difference.high >= 0,
            f"subgroup {name} AUC {signed(difference)} against version {self.version} "
            f">= {least:+.4f}",
        )

    def _kind(self, limits: GateRules) -> Iterator[Rule]:
        if not self.same_target:
            yield Rule(False, f"version {self.version} predicts another target")
        if self.loses_real_data and not limits.allow_synthetic:
            yield Rule(
                False,
                f"version {self.version} was trained on real data, the candidate on synthetic data",
            )
