"""Search all families in one run of Ray Tune, so that actors, slow to start, serve every family."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import ray
from ray import tune

from components.errors import HealthPredictError, InputError
from components.tuning.family import Family, Matrices
from components.tuning.journal import Journal
from components.tuning.space import FamilyASHA, FamilySearch, planned
from components.tuning.trial import METRIC, Recorder, Trial, TrialResult


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


def planned_trials(families: tuple[Family, ...], budget: Budget) -> int:
    """Return how many trials :func:`search` runs when time allows."""
    return len(planned(families, budget.trials))


def search(
    families: tuple[Family, ...],
    data: Matrices,
    budget: Budget,
    seed: int,
    journal: Journal,
    folder: Path,
    on_end: Callable[[TrialResult], None],
    at_once: int,
) -> Found:
    """Search every family within one budget, on a Ray runtime that is already up.

    With one trial at once the same seed gives the same trials; with more, the order in which they
    end decides what the searcher knows.

    Args:
        families: each with its share of the trials.
        data: shared through Ray's object store, one copy a node for all trials.
        budget: trials and seconds over all families, those of the journal among them.
        seed: of the search and of every fit.
        journal: ended trials; those of an interrupted search count and are not run again.
        folder: where Ray keeps its files.
        on_end: called after each trial.
        at_once: trials that may run at the same time.

    Raises:
        HealthPredictError: no trial of any family reported a result.
    """
    began = time.monotonic() - journal.seconds

    def ended(trial: TrialResult) -> None:
        journal.append(trial, time.monotonic() - began)
        on_end(trial)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recorder, failures = Recorder(ended), list[str]()
    searcher = FamilySearch(families, planned(families, budget.trials), journal.trials, seed)
    if searcher.left and journal.seconds < budget.seconds:
        scheduler = FamilyASHA(families, journal.trials)
        trainable = tune.with_parameters(Trial, families=families, data=ray.put(data), seed=seed)
        config = tune.TuneConfig(
            metric=METRIC,
            mode="max",
            num_samples=searcher.left,
            time_budget_s=math.ceil(budget.seconds - journal.seconds),
            search_alg=searcher,
            scheduler=scheduler,
            max_concurrent_trials=at_once,
            reuse_actors=True,
        )
        failures = _tune(trainable, config, folder, recorder)
    trials = journal.trials + recorder.cut_short()
    if not trials:
        why = failures[0] if failures else "raise tune_time_budget_s"
        raise HealthPredictError(f"no trial reported a result: {why}")
    return Found(trials, failures)


def _tune(trainable: type, config: tune.TuneConfig, folder: Path, recorder: Recorder) -> list[str]:
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=config,
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(folder),
            verbose=0,
            callbacks=[recorder],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    found = [result for result in tuner.fit() if result.error is not None]
    return [f"{_family(result)}: {str(result.error).splitlines()[-1]}" for result in found]


def _family(result: tune.Result) -> str:
    return str((result.config or {}).get("family", "trial"))
