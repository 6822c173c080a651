"""One trial of the search, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ray import tune
from sklearn.metrics import roc_auc_score

from components.tuning.family import Family, Growth, Matrices

METRIC, PROGRESS = "best_auc", "progress"
LEAST_GAIN = 1e-4
"""A validation AUC that rises by less has not risen: a tenth of what tells two models apart."""


@dataclass(frozen=True)
class TrialResult:
    """One trial: its parameters, its learning curve, and where that was best.

    ``curve`` holds pairs of resource (rounds, trees, passes) and validation AUC; ``finished`` is
    false where the scheduler or the end of the time stopped the trial.
    """

    family: str
    parameters: dict[str, Any]
    curve: tuple[tuple[int, float], ...]
    seconds: float
    finished: bool

    @property
    def best(self) -> tuple[int, float]:
        """Resource and validation AUC at the curve's highest point."""
        return max(self.curve, key=lambda point: point[1])


class Trial(tune.Trainable):
    """One configuration that grows step by step, so that the scheduler can stop it between.

    Its actor outlives it: the next trial, of whatever family, starts in the same process.
    """

    _growths: Iterator[Growth]
    _best: tuple[int, float]
    _family: Family
    _parameters: dict[str, Any]

    def setup(
        self, config: dict[str, Any], families: tuple[Family, ...], data: Matrices, seed: int
    ) -> None:
        """Start growing; called once an actor.

        ``data`` lies in Ray's object store, mapped into this process and not copied.
        """
        self._families = {family.name: family for family in families}
        self._data, self._seed = data, seed
        self._prepared: dict[str, Any] = {}
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start the next configuration in the same actor."""
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Grow once and report the validation AUC."""
        growth = next(self._growths)
        auc = float(roc_auc_score(self._data.y_validation, growth.probabilities))
        if auc > self._best[1] + LEAST_GAIN:
            self._best = (growth.resource, auc)
        ended = self._ended(growth)
        return {
            "auc": auc,
            METRIC: max(auc, self._best[1]),
            "resource": growth.resource,
            PROGRESS: self._family.progress(self._parameters, growth.resource),
            "ended": ended,
            "done": ended,
        }

    def _start(self, config: dict[str, Any]) -> None:
        self._family, self._parameters = self._families[config["family"]], config["parameters"]
        self._best = (0, 0.0)
        if self._family.name not in self._prepared:
            self._prepared[self._family.name] = self._family.prepare(self._data)
        prepared = self._prepared[self._family.name]
        self._growths = self._family.grow(self._parameters, prepared, self._seed)

    def _ended(self, growth: Growth) -> bool:
        stale = growth.resource - self._best[0] >= self._family.patience
        return stale or growth.resource >= self._family.resource


class Recorder(tune.Callback):
    """Keeps every trial's learning curve and tells when one ends."""

    def __init__(self, on_end: Callable[[TrialResult], None]) -> None:
        self._reports: dict[str, list[dict[str, Any]]] = {}
        self._on_end = on_end

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Add a point to the trial's curve."""
        self._reports.setdefault(trial.trial_id, []).append(result)

    def on_trial_error(self, *, trial: Any, **_: Any) -> None:
        """Forget a trial that failed: half a learning curve must not win."""
        self._reports.pop(trial.trial_id, None)

    def on_trial_complete(self, *, trial: Any, **_: Any) -> None:
        """Pass the finished or stopped trial on."""
        if reports := self._reports.pop(trial.trial_id, None):
            self._on_end(_result(reports))

    def cut_short(self) -> list[TrialResult]:
        """Return the trials that were growing when the time was over."""
        return [_result(reports) for reports in self._reports.values()]


def _result(reports: list[dict[str, Any]]) -> TrialResult:
    last = reports[-1]
    return TrialResult(
        family=str(last["config"]["family"]),
        parameters=dict(last["config"]["parameters"]),
        curve=tuple((int(report["resource"]), float(report["auc"])) for report in reports),
        seconds=float(last["time_total_s"]),
        finished=bool(last["ended"]),
    )
