"""Runs in MLflow: a parent for each pipeline run, a child for each trial."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from components.registry.client import RegistryClient
from components.settings import Settings

EXPERIMENT = "readmission-training"
RUN_TAG = "health_predict.run_id"


@dataclass(frozen=True)
class TrialRecord:
    """A trial as it is logged; ``curve`` holds pairs of resource and validation AUC."""

    family: str
    parameters: Mapping[str, Any]
    curve: tuple[tuple[int, float], ...]
    seconds: float
    finished: bool


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The MLflow run of a pipeline run: its experiment, its id, what was recorded on it."""

    experiment: str
    run: str
    tags: Mapping[str, str]


class Tracking:
    """MLflow's runs of one store."""

    def __init__(self, settings: Settings) -> None:
        self._client = RegistryClient(settings.tracking_uri)
        self._artifacts = settings.artifact_uri.rstrip("/")

    def start(self, run_id: str, *, synthetic: bool) -> str:
        """Open the MLflow run of a pipeline run, and return its id."""
        tags = {MLFLOW_RUN_NAME: run_id, RUN_TAG: run_id, "synthetic": str(synthetic).lower()}
        run = self._client.create_run(self._experiment(), tags=tags)
        return str(run.info.run_id)

    def log_trials(self, parent: str, trials: Sequence[TrialRecord]) -> None:
        """Log each trial as a child run with its parameters and its learning curve."""
        for number, trial in enumerate(trials, start=1):
            self._log_trial(parent, f"{trial.family}-{number}", trial)

    def log_metrics(self, run: str, metrics: Mapping[str, float]) -> None:
        """Log final metrics of a run."""
        now = _now()
        self._client.log_batch(run, metrics=[Metric(k, v, now, 0) for k, v in metrics.items()])

    def log_curve(self, run: str, name: str, curve: Sequence[tuple[int, float]]) -> None:
        """Log a metric's values at steps."""
        now = _now()
        self._client.log_batch(run, metrics=[Metric(name, v, now, step) for step, v in curve])

    def curve(self, run: str, name: str) -> list[tuple[int, float]]:
        """Return a metric's values at steps, in the order of the steps; empty if never logged."""
        found = self._client.get_metric_history(run, name)
        return sorted((int(point.step), float(point.value)) for point in found)

    def log_file(self, run: str, path: Path, name: str) -> None:
        """Log a text file of a run under ``name``."""
        self._client.log_text(run, path.read_text("utf-8"), name)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Record facts on a run; a value holds at most 8000 characters."""
        self._client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])

    def record(self, run_id: str) -> RunRecord | None:
        """Return the newest MLflow run of a pipeline run; ``None`` when it has none yet."""
        return newest(self._client, EXPERIMENT, f"tags.`{RUN_TAG}` = '{run_id}'")

    def finish(self, run_id: str, *, succeeded: bool) -> None:
        """Close every open MLflow run of a pipeline run."""
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return
        found = self._client.search_runs(
            [experiment.experiment_id], f"tags.`{RUN_TAG}` = '{run_id}' and status = 'RUNNING'"
        )
        for run in found:
            self._client.set_terminated(run.info.run_id, "FINISHED" if succeeded else "FAILED")

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = f"{self._artifacts}/{EXPERIMENT}"
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=location))

    def _log_trial(self, parent: str, name: str, trial: TrialRecord) -> None:
        tags = {MLFLOW_PARENT_RUN_ID: parent, MLFLOW_RUN_NAME: name, "family": trial.family}
        child = self._client.create_run(self._experiment(), tags=tags).info.run_id
        now = _now()
        metrics = [Metric("validation_auc", auc, now, step) for step, auc in trial.curve]
        metrics.append(Metric("best_validation_auc", max(a for _, a in trial.curve), now, 0))
        metrics.append(Metric("seconds", trial.seconds, now, 0))
        self._client.log_batch(
            child,
            metrics=metrics,
            params=[Param(key, str(value)) for key, value in trial.parameters.items()],
            tags=[RunTag("outcome", "finished" if trial.finished else "stopped early")],
        )
        self._client.set_terminated(child)


def newest(client: RegistryClient, experiment: str, where: str) -> RunRecord | None:
    """Return the newest MLflow run of an experiment that meets MLflow's filter ``where``."""
    holder = client.get_experiment_by_name(experiment)
    if holder is None:
        return None
    found = client.search_runs(
        [holder.experiment_id], where, max_results=1, order_by=["attributes.start_time DESC"]
    )
    records = (RunRecord(str(r.info.experiment_id), str(r.info.run_id), r.data.tags) for r in found)
    return next(records, None)


def _now() -> int:
    return time.time_ns() // 1_000_000
