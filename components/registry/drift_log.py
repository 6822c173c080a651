"""Drift reports in MLflow: one run a batch, from which the trend across batches is read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Metric, Run
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from components.registry.client import RegistryClient
from components.registry.tracking import RUN_TAG, RunRecord, newest
from components.settings import Settings

EXPERIMENT = "readmission-drift"

_OPTIONAL = ("classifier_auc", "production_auc", "prevalence")
_MOST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """One batch's drift in a few numbers; ``None`` where one could not be known.

    Attributes:
        batch: its number.
        retrain: whether the batch asked for retraining.
        largest_psi: of all columns.
        largest_psi_column: the column of it; empty for the initial training.
        drifted_columns: number of columns that drifted.
        classifier_auc: AUC of telling batch from reference.
        production_auc: production's AUC on the batch.
        prevalence: share of readmissions in the batch.
    """

    batch: int
    retrain: bool
    largest_psi: float
    largest_psi_column: str
    drifted_columns: int
    classifier_auc: float | None = None
    production_auc: float | None = None
    prevalence: float | None = None


class DriftLog:
    """The experiment ``readmission-drift`` of one store."""

    def __init__(self, settings: Settings) -> None:
        self._client = RegistryClient(settings.tracking_uri)
        self._artifacts = settings.artifact_uri.rstrip("/")
        self._run_id = settings.run_id

    def batches(self, source: str) -> list[DriftRecord]:
        """Return the last record of each batch of a source, by batch number."""
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return []
        runs = self._client.search_runs(
            [experiment.experiment_id],
            "status = 'FINISHED'",
            max_results=_MOST_RUNS,
            order_by=["attributes.start_time DESC"],
        )
        found: dict[int, DriftRecord] = {}
        for run in runs:
            if run.data.tags.get("source") == source:
                record = _record(run)
                found.setdefault(record.batch, record)
        return [found[batch] for batch in sorted(found)]

    def of_this_run(self) -> RunRecord | None:
        """Return what this pipeline run logged last; ``None`` when it logged nothing to its end."""
        where = f"tags.`{RUN_TAG}` = '{self._run_id}' and status = 'FINISHED'"
        return newest(self._client, EXPERIMENT, where)

    def add(
        self, record: DriftRecord, texts: Mapping[str, str], *, source: str, synthetic: bool
    ) -> None:
        """Log a batch's numbers and its report.

        Args:
            record: the numbers.
            texts: content of each artifact, by its name.
            source: the data's URI.
            synthetic: whether it is a synthetic cohort.
        """
        tags = {
            MLFLOW_RUN_NAME: f"batch-{record.batch}-{self._run_id}",
            RUN_TAG: self._run_id,
            "source": source,
            "synthetic": str(synthetic).lower(),
            "batch": str(record.batch),
            "decision": "retrain" if record.retrain else "keep",
            "largest_psi_column": record.largest_psi_column,
        }
        run = self._client.create_run(self._experiment(), tags=tags).info.run_id
        now = time.time_ns() // 1_000_000
        metrics = [Metric(name, value, now, 0) for name, value in _numbers(record).items()]
        self._client.log_batch(run, metrics=metrics)
        for name, text in texts.items():
            self._client.log_text(run, text, name)
        self._client.set_terminated(run)

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = f"{self._artifacts}/{EXPERIMENT}"
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=location))


def _numbers(record: DriftRecord) -> dict[str, float]:
    known: dict[str, Any] = {name: getattr(record, name) for name in _OPTIONAL}
    return {
        "largest_psi": record.largest_psi,
        "drifted_columns": float(record.drifted_columns),
        **{name: value for name, value in known.items() if value is not None},
    }


def _record(run: Run) -> DriftRecord:
    tags, metrics = run.data.tags, run.data.metrics
    return DriftRecord(
        batch=int(tags["batch"]),
        retrain=tags["decision"] == "retrain",
        largest_psi=metrics["largest_psi"],
        largest_psi_column=tags["largest_psi_column"],
        drifted_columns=int(metrics["drifted_columns"]),
        **{name: metrics.get(name) for name in _OPTIONAL},
    )
