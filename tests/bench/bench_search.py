"""Measure the tune step on a whole file: its time and memory, and what pruning saves and costs.

``make bench-search DATA=...`` runs three things on the same rows and the same spaces:

1. the tune step as the pipeline runs it, in a process of its own;
2. every trial of that search once more, to its last round, tree or pass: what ASHA and early
   stopping saved, and what AUC they lost;
3. a plain search script: every trial loads the matrices, fits in full, reports once, and is fitted
   again on training and validation rows.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from benching import markdown, peak_memory, read_file, usable
from mlflow import MlflowClient
from ray import tune
from sklearn.metrics import roc_auc_score

from components.events import Report
from components.features import step as features
from components.ingest.split import spread
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, write_table
from components.tuning import step as tuning
from components.tuning.choice import choose
from components.tuning.export import predict
from components.tuning.families import families, family_named
from components.tuning.family import Matrices
from components.tuning.search import Budget
from components.tuning.space import planned
from components.tuning.threshold import Rule, ThresholdRule
from components.tuning.trial import TrialResult
from pipelines.state import LIBRARIES, State

CORES = len(os.sched_getaffinity(0))
SEED = 0
VALIDATION_SHARE = 0.2
MOST_COLUMN_AUC = 0.75
TARGETS = {"seconds": "<= 240", "loss": "<= 0.001", "times": ">= 5", "memory": "<= 3"}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="csv or zip of encounters; else synthetic")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic cohort")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--plain-trials", type=int, default=12)
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.update(LIBRARIES)
    if options.step:
        _step(options.step, options.trials)
        return 0
    table = usable(read_file(options.data) if options.data else synthesise(options.rows, seed=7))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _features(table, folder)
        _measure(folder, options.trials, options.plain_trials)
    return 0


def _features(table: pa.Table, folder: Path) -> None:
    """Write the matrices; patients are dealt out at random."""
    later = spread(table["patient_nbr"].to_numpy()) < VALIDATION_SHARE
    provenance = Provenance("bench", "0" * 64, table.num_rows, synthetic=True, batch=0)
    write_table(table.filter(pa.array(~later)), str(folder / "train"), provenance)
    write_table(table.filter(pa.array(later)), str(folder / "validation"), provenance)
    sides = str(folder / "train"), str(folder / "validation")
    features.run(*sides, "any", MOST_COLUMN_AUC, str(folder / "matrices"), Report("features"))


def _step(folder: Path, trials: int) -> None:
    """Run the tune step; its trials are then in MLflow."""
    plan = tuning.Plan(Budget(trials, 3600), SEED, ThresholdRule(Rule.BEST_F1))
    report, began = Report("tune"), time.monotonic()
    outputs = str(folder / "candidate"), str(folder / "table.md")
    parent = tuning.run(
        str(folder / "matrices"), plan, *outputs, State(folder).settings("bench"), report
    )
    seconds = time.monotonic() - began
    found = {**report.facts, "seconds": seconds, "parent": parent}
    (folder / "step.json").write_text(json.dumps(found), "utf-8")


def _measure(folder: Path, trials: int, plain_trials: int) -> None:
    step, peak = _stepped(folder, trials)
    pruned = _trials(folder, step["parent"])
    _say(f"tune step: {step['seconds']:.0f} s")
    full = _in_full(folder, pruned)
    rate = _plain_rate(folder, plain_trials)
    rows = Matrices.read(folder / "matrices").joined()
    chosen = choose(full, rows, ThresholdRule(Rule.BEST_F1), SEED).finalist.auc
    found = step["cross_validated_auc"]
    spent, whole = (sum(trial.seconds for trial in side) for side in (pruned, full))
    best, all_best = (max(trial.best[1] for trial in side) for side in (pruned, full))
    own = 60 * len(pruned) / step["seconds"]
    stopped = sum(not trial.finished for trial in pruned)
    lines = [
        ("rows, columns", f"{rows.x.shape[0]:,}, {rows.x.shape[1]}", ""),
        ("cores", CORES, ""),
        ("trials, of them stopped by ASHA", f"{len(pruned)}, {stopped}", ""),
        ("tune step, s", f"{step['seconds']:.0f}", TARGETS["seconds"]),
        ("of it the trials, s", f"{spent / CORES:.0f}", ""),
        ("peak memory of the step's processes, GiB", f"{peak:.2f}", TARGETS["memory"]),
        ("share of the trials' work saved", f"{1 - spent / whole:.0%}", ""),
        ("best validation AUC: pruned / in full", f"{best:.4f} / {all_best:.4f}", ""),
        ("winner's cross-validated AUC: pruned / in full", f"{found:.4f} / {chosen:.4f}", ""),
        ("AUC lost by pruning", f"{chosen - found:.4f}", TARGETS["loss"]),
        ("trials a minute: the whole step / a plain script", f"{own:.1f} / {rate:.1f}", ""),
        ("times as many", f"{own / rate:.1f}", TARGETS["times"]),
    ]
    print(markdown(("what", "measured", "target"), lines))


def _stepped(folder: Path, trials: int) -> tuple[dict[str, Any], float]:
    """Run the step in a process of its own; return what it reported, and its peak in GiB."""
    command = [sys.executable, __file__, "--step", str(folder), "--trials", str(trials)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with process, peak_memory(process.pid) as peak:
        code = process.wait()
    if code:
        raise SystemExit("the tune step failed")
    return json.loads((folder / "step.json").read_text("utf-8")), peak.gib


def _trials(folder: Path, parent: str) -> list[TrialResult]:
    """Read the search's trials as MLflow holds them."""
    client = MlflowClient(tracking_uri=State(folder).settings("bench").tracking_uri)
    experiment = client.get_run(parent).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return [_trial(client, run) for run in reversed(runs)]


def _trial(client: MlflowClient, run: Any) -> TrialResult:
    curve = client.get_metric_history(run.info.run_id, "validation_auc")
    return TrialResult(
        family=run.data.tags["family"],
        parameters={name: ast.literal_eval(v) for name, v in run.data.params.items()},
        curve=tuple((point.step, point.value) for point in curve),
        seconds=run.data.metrics["seconds"],
        finished=run.data.tags["outcome"] == "finished",
    )


def _in_full(folder: Path, trials: list[TrialResult]) -> list[TrialResult]:
    jobs = [(str(folder / "matrices"), trial.family, trial.parameters) for trial in trials]
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_grown, jobs))


@cache
def _prepared(folder: str, family: str) -> tuple[Matrices, Any]:
    data = Matrices.read(Path(folder))
    return data, family_named(family).prepare(data)


def _grown(job: tuple[str, str, dict[str, Any]]) -> TrialResult:
    """Grow a trial to its end."""
    folder, name, parameters = job
    data, prepared = _prepared(folder, name)
    began = time.monotonic()
    curve = tuple(
        (growth.resource, float(roc_auc_score(data.y_validation, growth.probabilities)))
        for growth in family_named(name).grow(parameters, prepared, SEED)
    )
    return TrialResult(name, parameters, curve, time.monotonic() - began, finished=True)


def _plain_rate(folder: Path, trials: int) -> float:
    """Return trials a minute of a script that fits in full, reports once and refits."""
    plan = planned(families(), trials)
    began = time.monotonic()
    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    for family in families():
        tuner = tune.Tuner(
            tune.with_resources(_plain(str(folder / "matrices"), family.name), {"cpu": 1}),
            param_space=family.space(),
            tune_config=tune.TuneConfig(
                metric="auc", mode="max", num_samples=plan.count(family.name)
            ),
            run_config=tune.RunConfig(storage_path=str(folder / "plain"), verbose=0),
        )
        tuner.fit()
    ray.shutdown()
    return 60 * len(plan) / (time.monotonic() - began)


def _plain(folder: str, name: str) -> Any:
    def train(config: dict[str, Any]) -> None:
        family, data = family_named(name), Matrices.read(Path(folder))
        model = family.fit(config, family.resource, data.x_train, data.y_train, SEED)
        auc = float(roc_auc_score(data.y_validation, predict(model, data.x_validation)))
        rows = data.joined()
        family.fit(config, family.resource, rows.x, rows.y, SEED)
        tune.report({"auc": auc})

    return train


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
