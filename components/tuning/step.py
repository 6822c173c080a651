"""The tune step: search, refit the winner, write the candidate bundle."""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from components.events import Report
from components.features.encoder import Encoder
from components.features.step import ENCODER, FACTS
from components.ingest.synthetic import synthesise
from components.registry.bundle import Bundle, Facts, write_bundle
from components.registry.tracking import Tracking, TrialRecord
from components.schema import Schema, encounter_schema
from components.settings import Settings
from components.tuning.export import export, predict
from components.tuning.families import Family, Matrices, families
from components.tuning.search import Budget, Found, planned_trials, ray_runtime, search
from components.tuning.table import trial_table
from components.tuning.threshold import best_f1_threshold
from components.tuning.trial import TrialResult

GOLDEN_ROWS = 64
_LIBRARIES = ("numpy", "onnxruntime", "scikit-learn", "skl2onnx", "onnxmltools", "xgboost-cpu")


@dataclass(frozen=True)
class Winner:
    """The best trial, its family, and the threshold chosen on the validation rows."""

    trial: TrialResult
    family: Family
    threshold: float


def run(
    folder: str,
    budget: Budget,
    seed: int,
    bundle: str,
    table: str,
    settings: Settings,
    report: Report,
) -> str:
    """Search, refit on training and validation rows, and write the candidate bundle.

    Args:
        folder: the features step's output.
        budget: trials and seconds.
        seed: of the search and of every fit.
        bundle: folder of the candidate bundle.
        table: path of the Markdown table of trials.
        settings: where MLflow's store is.
        report: takes the step's facts and its progress.

    Returns:
        The MLflow run that holds the trials as child runs.
    """
    data = _matrices(Path(folder))
    facts = json.loads((Path(folder) / FACTS).read_text("utf-8"))
    tracking = Tracking(settings)
    parent = tracking.start(settings.run_id, synthetic=facts["provenance"]["synthetic"])
    found = _search(data, budget, seed, settings, report)
    trials = found.trials
    tracking.log_trials(parent, [_record(trial) for trial in trials])
    winner = _winner(trials, data, seed)
    digest = _write(Path(folder), facts, winner, data, seed, Path(bundle), settings)
    Path(table).write_text(trial_table(trials), "utf-8")
    tracking.log_file(parent, Path(table), "trials.md")
    resource, auc = winner.trial.best
    report.add(
        trials=len(trials),
        failed_trials=found.failures,
        family=winner.family.name,
        resource=resource,
        validation_auc=round(auc, 4),
        bundle=digest,
        mlflow_run=parent,
    )
    return parent


def _matrices(folder: Path) -> Matrices:
    with np.load(folder / "train.npz") as train, np.load(folder / "validation.npz") as validation:
        return Matrices(train["x"], train["y"], validation["x"], validation["y"])


def _search(data: Matrices, budget: Budget, seed: int, settings: Settings, report: Report) -> Found:
    every = families()
    total, ended = planned_trials(every, budget), 0

    def tell(trial: TrialResult) -> None:
        nonlocal ended
        ended += 1
        report.progress(f"{trial.family} AUC {trial.best[1]:.4f}", ended, total)

    report.progress("starting Ray", 0, total)
    with ray_runtime(settings.tune_cpus, data), tempfile.TemporaryDirectory() as scratch:
        return search(every, data, budget, seed, Path(scratch), tell)


def _record(trial: TrialResult) -> TrialRecord:
    return TrialRecord(
        trial.family, trial.parameters, tuple(trial.curve), trial.seconds, trial.finished
    )


def _winner(trials: list[TrialResult], data: Matrices, seed: int) -> Winner:
    """Choose by validation AUC, and the threshold on the same rows before they join the refit."""
    best = max(trials, key=lambda trial: trial.best[1])
    family = next(family for family in families() if family.name == best.family)
    model = family.fit(best.parameters, best.best[0], data.x_train, data.y_train, seed)
    probabilities = predict(model, data.x_validation)
    return Winner(best, family, best_f1_threshold(data.y_validation, probabilities))


def _write(
    folder: Path,
    facts: dict[str, Any],
    winner: Winner,
    data: Matrices,
    seed: int,
    bundle: Path,
    settings: Settings,
) -> str:
    x = np.concatenate([data.x_train, data.x_validation])
    y = np.concatenate([data.y_train, data.y_validation])
    model = winner.family.fit(winner.trial.parameters, winner.trial.best[0], x, y, seed)
    schema = encounter_schema()
    encoder = Encoder.from_json(json.loads((folder / ENCODER).read_text("utf-8")))
    made = Bundle(schema, encoder, _facts(facts, winner, y.size, settings), export(model, x))
    return write_bundle(made, _golden_rows(schema, seed), bundle)


def _facts(facts: dict[str, Any], winner: Winner, rows: int, settings: Settings) -> Facts:
    provenance = facts["provenance"]
    return Facts(
        target=facts["target"],
        threshold=winner.threshold,
        family=winner.family.name,
        parameters={**winner.trial.parameters, "resource": winner.trial.best[0]},
        source=provenance["source"],
        synthetic=provenance["synthetic"],
        data_sha256=provenance["sha256"],
        rows=rows,
        batch=provenance["batch"],
        run_id=settings.run_id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        commit=os.environ.get("HEALTH_PREDICT_COMMIT", "unknown"),
        libraries={name: metadata.version(name) for name in _LIBRARIES},
    )


def _golden_rows(schema: Schema, seed: int) -> list[dict[str, int | str]]:
    """Take synthetic encounters, so that no patient travels with the model."""
    names = [column.name for column in schema.features]
    rows: list[dict[str, int | str]] = synthesise(GOLDEN_ROWS, seed).select(names).to_pylist()
    return rows
