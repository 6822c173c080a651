"""One trial of the search, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from sklearn.metrics import roc_auc_score

from components.tuning.families import PATIENCE_ROUNDS, Family, Growth, Matrices


@dataclass
class TrialResult:
    """One trial: its parameters, its learning curve, and where that was best.

    ``curve`` holds pairs of resource (rounds, trees, fits) and validation AUC.
    """

    family: str
    parameters: dict[str, Any]
    curve: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False

    @property
    def best(self) -> tuple[int, float]:
        """Resource and validation AUC at the curve's highest point."""
        return max(self.curve, key=lambda point: point[1])


class Trial(tune.Trainable):
    """One configuration that grows step by step, so that the scheduler can stop it between."""

    _growths: Iterator[Growth]
    _best: tuple[int, float]
    _parameters: dict[str, Any]

    def setup(self, config: dict[str, Any], family: Family, data: Matrices, seed: int) -> None:
        """Start growing; called once an actor."""
        self._family, self._data, self._seed = family, data, seed
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start the next configuration in the same actor."""
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Grow once and report the validation AUC."""
        growth = next(self._growths)
        auc = float(roc_auc_score(self._data.y_validation, growth.probabilities))
        if auc > self._best[1]:
            self._best = (growth.resource, auc)
        return {
            "auc": auc,
            "resource": growth.resource,
            "progress": self._family.progress(self._parameters, growth.resource),
            "done": self._ended(growth),
        }

    def _start(self, config: dict[str, Any]) -> None:
        self._growths = self._family.grow(config, self._data, self._seed)
        self._best, self._parameters = (0, 0.0), config

    def _ended(self, growth: Growth) -> bool:
        stale = growth.resource - self._best[0] >= PATIENCE_ROUNDS
        return stale or growth.resource >= self._family.resource


class Recorder(tune.Callback):
    """Keeps every trial's learning curve and tells when one ends."""

    def __init__(self, family: str, on_end: Callable[[TrialResult], None]) -> None:
        self.results: dict[str, TrialResult] = {}
        self._family, self._on_end = family, on_end

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Add a point to the trial's curve."""
        record = self.results.setdefault(
            trial.trial_id, TrialResult(self._family, dict(trial.config))
        )
        record.curve.append((int(result["resource"]), float(result["auc"])))
        record.seconds = float(result["time_total_s"])
        record.finished = bool(result["done"])

    def on_trial_error(self, *, trial: Any, **_: Any) -> None:
        """Forget a trial that failed: half a learning curve must not win."""
        self.results.pop(trial.trial_id, None)

    def on_trial_complete(self, *, trial: Any, **_: Any) -> None:
        """Pass the finished or stopped trial on."""
        if record := self.results.get(trial.trial_id):
            self._on_end(record)
