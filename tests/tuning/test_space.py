from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from components.tuning.families import families, family_named
from components.tuning.space import FamilyASHA
from components.tuning.trial import METRIC, PROGRESS, TrialResult


def grown(name: str, auc: float) -> TrialResult:
    """Return a trial that ended with this AUC at its family's full resource."""
    family = family_named(name)
    parameters = dict(family.start[0])
    curve = tuple((at, auc) for at in range(1, family.resource + 1))
    return TrialResult(name, parameters, curve, 1.0, True)


def said(scheduler: FamilyASHA, name: str, auc: float, share: float) -> Any:
    """Return what the scheduler says of a new trial at this share of its full resource."""
    family = family_named(name)
    trial: Any = SimpleNamespace(trial_id=f"{name} {auc}", config={"family": name})
    progress = family.progress(dict(family.start[0]), round(share * family.resource))
    scheduler.on_trial_add(None, trial)
    return scheduler.on_trial_result(None, trial, {PROGRESS: progress, METRIC: auc})


NAMES = [family.name for family in families()]


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_worse_than_the_others_of_its_family_is_stopped(name: str) -> None:
    ended = [grown(name, 0.70), grown(name, 0.71), grown(name, 0.72)]
    scheduler = FamilyASHA(families(), ended)
    assert said(scheduler, name, 0.60, share=0.5) == TrialScheduler.STOP
    assert said(scheduler, name, 0.73, share=0.5) == TrialScheduler.CONTINUE


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_is_not_compared_before_its_familys_grace(name: str) -> None:
    ended = [grown(name, 0.70), grown(name, 0.71), grown(name, 0.72)]
    assert said(FamilyASHA(families(), ended), name, 0.60, share=0.04) == TrialScheduler.CONTINUE


def test_a_trial_is_not_compared_with_other_families() -> None:
    ended = [grown("xgboost", 0.70), grown("xgboost", 0.71), grown("random_forest", 0.60)]
    scheduler = FamilyASHA(families(), ended)
    assert said(scheduler, "random_forest", 0.61, share=0.5) == TrialScheduler.CONTINUE
    assert said(scheduler, "logistic_regression", 0.55, share=0.5) == TrialScheduler.CONTINUE
