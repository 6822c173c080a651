"""Each family's own searcher and scheduler, behind one of each for the one run of Tune.

One Optuna study or one ASHA for all families would compare a forest after 50 trees with a booster
after 60 rounds and stop the slower learner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from components.tuning.family import Family
from components.tuning.trial import METRIC, PROGRESS, TrialResult

_RANDOM_TRIALS = 6
_ENDLESS = 1000.0


def distributions(family: Family) -> dict[str, BaseDistribution]:
    """Return a family's search space in Optuna's terms."""
    converted: dict[str, BaseDistribution] = OptunaSearch.convert_search_space(family.space())
    return converted


def planned(families: Sequence[Family], trials: int) -> list[str]:
    """Return the family of each trial, in order.

    Each family comes once, then each as often as its share says, evenly spread: whenever the time
    ends, every family has had its share of the trials.
    """
    total = sum(family.share for family in families)
    order = [family.name for family in families]
    while len(order) < trials:
        due = {
            family.name: family.share / total * (len(order) + 1) - order.count(family.name)
            for family in families
        }
        order.append(max(due, key=lambda name: due[name]))
    return order


class FamilySearch(Searcher):
    """Suggests each trial's family by plan, and its parameters by that family's own TPE.

    TPE: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization". Trials that ended
    before an interruption are told to TPE and not suggested again.
    """

    def __init__(
        self,
        families: Sequence[Family],
        plan: Sequence[str],
        ended: Sequence[TrialResult],
        seed: int,
    ) -> None:
        super().__init__(metric=METRIC, mode="max")
        done = Counter(trial.family for trial in ended)
        self._plan = _without(plan, done)
        self._family_of: dict[str, str] = {}
        self._searchers = {
            family.name: _searcher(
                family, [trial for trial in ended if trial.family == family.name], [seed, position]
            )
            for position, family in enumerate(families)
        }

    @property
    def left(self) -> int:
        """How many trials are still to be suggested."""
        return len(self._plan)

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's family and parameters."""
        if not self._plan:
            return Searcher.FINISHED
        name = self._plan.pop(0)
        self._family_of[trial_id] = name
        return {"family": name, "parameters": self._searchers[name].suggest(trial_id)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the family's study how the trial ended."""
        self._searchers[self._family_of[trial_id]].on_trial_complete(trial_id, result, error)

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file where Tune asks for a checkpoint: the journal holds what counts."""
        Path(checkpoint_path).touch()


class FamilyASHA(FIFOScheduler):
    """Stops trials by ASHA within each family, at equal progress.

    ASHA: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", arXiv 1810.05934.
    """

    def __init__(self, families: Sequence[Family], ended: Sequence[TrialResult]) -> None:
        super().__init__()
        self._schedulers = {family.name: _asha(family) for family in families}
        for number, trial in enumerate(ended):
            family = next(family for family in families if family.name == trial.family)
            self._replay(family, trial, f"ended-{number}")

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Enter the trial into its family's rungs."""
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> Any:
        """Stop the trial when its family's others were better with as much progress."""
        return self._of(trial).on_trial_result(tune_controller, trial, result)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Take the trial's last result into its family's rungs."""
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Forget a trial that never ran."""
        self._of(trial).on_trial_remove(tune_controller, trial)

    def _of(self, trial: Any) -> ASHAScheduler:
        return self._schedulers[trial.config["family"]]

    def _replay(self, family: Family, ended: TrialResult, name: str) -> None:
        """Fill the rungs as the ended trial did."""
        stub = SimpleNamespace(trial_id=name, config={"family": ended.family})
        self.on_trial_add(None, stub)
        best = 0.0
        for resource, auc in ended.curve:
            best = max(best, auc)
            progress = family.progress(ended.parameters, resource)
            self.on_trial_result(None, stub, {PROGRESS: progress, METRIC: best})


def _without(plan: Sequence[str], done: Counter[str]) -> list[str]:
    left, rest = Counter(done), []
    for name in plan:
        if left[name]:
            left[name] -= 1
        else:
            rest.append(name)
    return rest


def _searcher(family: Family, ended: Sequence[TrialResult], seed: list[int]) -> OptunaSearch:
    # The number of ended trials is part of the seed: a search that goes on must not draw again
    # what it drew first.
    state = np.random.SeedSequence([*seed, len(ended)]).generate_state(1)
    searcher = OptunaSearch(
        distributions(family),
        metric=METRIC,
        mode="max",
        points_to_evaluate=[dict(point) for point in family.start[len(ended) :]],
        sampler=TPESampler(seed=int(state[0]), n_startup_trials=_RANDOM_TRIALS),
    )
    for trial in ended:
        searcher.add_evaluated_point(trial.parameters, trial.best[1])
    return searcher


def _asha(family: Family) -> ASHAScheduler:
    return ASHAScheduler(
        time_attr=PROGRESS,
        metric=METRIC,
        mode="max",
        max_t=_ENDLESS,  # a trial knows itself when it is done
        grace_period=family.grace,
        reduction_factor=2,
    )
