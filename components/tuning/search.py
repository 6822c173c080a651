"""Search one family after the other with Ray Tune, each with its own ASHA on its own resource.

One scheduler for all would compare a forest after 50 trees with a booster after 60 rounds and stop
the slower learner.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search.optuna import OptunaSearch

from components.errors import HealthPredictError, InputError
from components.tuning.families import Family, Matrices
from components.tuning.trial import Recorder, Trial, TrialResult

_MEBIBYTE = 1 << 20
_STORE_FLOOR = 128 * _MEBIBYTE
_ENDLESS = 1000.0


@dataclass(frozen=True)
class Budget:
    """How long to search: whichever ends first."""

    trials: int
    seconds: float

    def __post_init__(self) -> None:
        if self.trials < 1 or not self.seconds > 0:
            raise InputError("tune_trials and tune_time_budget_s must be positive")


@dataclass(frozen=True)
class Found:
    """The trials that reported a result, and one line for each that failed."""

    trials: list[TrialResult]
    failures: list[str]


def search(
    families: tuple[Family, ...],
    data: Matrices,
    budget: Budget,
    seed: int,
    folder: Path,
    on_end: Callable[[TrialResult], None],
) -> Found:
    """Search every family within one budget, on a Ray runtime that is already up.

    Args:
        families: in the order in which they are searched.
        data: shared through Ray's object store, one copy for all trials.
        budget: trials and seconds over all families, divided by their shares.
        seed: of the search and of every fit.
        folder: where Ray keeps its files.
        on_end: called after each trial.

    Raises:
        HealthPredictError: no trial of any family reported a result.
    """
    deadline, trials = time.monotonic() + budget.seconds, list[TrialResult]()
    shares = [family.share for family in families]
    shared = ray.put(data)  # a reference is resolved in each actor: one copy for all families
    failures: list[str] = []
    for position, family in enumerate(families):
        left = max(1.0, deadline - time.monotonic()) * shares[position] / sum(shares[position:])
        wanted = max(1, round(budget.trials * shares[position] / sum(shares)))
        recorder = Recorder(family.name, on_end)
        failures += _tune(family, shared, Budget(wanted, left), seed, folder, recorder)
        trials.extend(recorder.results.values())
    if not trials:
        why = failures[0] if failures else "raise tune_time_budget_s"
        raise HealthPredictError(f"no trial reported a result: {why}")
    return Found(trials, failures)


def planned_trials(families: tuple[Family, ...], budget: Budget) -> int:
    """Return how many trials :func:`search` starts when time allows."""
    shares = [family.share for family in families]
    return sum(max(1, round(budget.trials * share / sum(shares))) for share in shares)


def _tune(
    family: Family, data: ray.ObjectRef, budget: Budget, seed: int, folder: Path, recorder: Recorder
) -> list[str]:
    trainable = tune.with_parameters(Trial, family=family, data=data, seed=seed)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=family.space(),
        tune_config=tune.TuneConfig(
            metric="auc",
            mode="max",
            num_samples=budget.trials,
            time_budget_s=math.ceil(budget.seconds),
            search_alg=OptunaSearch(seed=seed),
            scheduler=_scheduler(family),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=family.name,
            storage_path=str(folder),
            verbose=0,
            callbacks=[recorder],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    return [f"{family.name}: {str(error).splitlines()[-1]}" for error in tuner.fit().errors]


def _scheduler(family: Family) -> Any:
    if not family.grace:
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="progress",
        max_t=_ENDLESS,  # a trial knows itself when it is done
        grace_period=family.grace,
        reduction_factor=2,
    )


@contextmanager
def ray_runtime(cpus: int, data: Matrices) -> Iterator[None]:
    """Start Ray in this process for the search, and stop it whatever happens.

    Args:
        cpus: trials that may run at once; 0 takes every core that this process may use.
        data: sizes the object store.
    """
    size = data.x_train.nbytes + data.x_validation.nbytes
    ray.init(
        num_cpus=cpus or len(os.sched_getaffinity(0)),
        object_store_memory=_STORE_FLOOR + 2 * size,
        include_dashboard=False,
        configure_logging=True,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()
