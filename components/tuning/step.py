"""The tune step: search, choose, refit the winner, write the candidate bundle."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.events import Report
from components.features.step import FACTS
from components.features.target import Target
from components.registry.tracking import Tracking, TrialRecord
from components.settings import Settings
from components.tuning.candidate import Origin, Refit, refit, write_candidate
from components.tuning.choice import Winner, choose
from components.tuning.distributed import Tables, fit_distributed
from components.tuning.families import families, family_named
from components.tuning.family import Family, Matrices, Rows
from components.tuning.journal import Journal, search_digest
from components.tuning.plots import importance_svg, trials_svg
from components.tuning.runtime import ray_runtime
from components.tuning.search import Budget, Found, planned_trials, search
from components.tuning.table import trial_table
from components.tuning.threshold import ThresholdRule
from components.tuning.trial import TrialResult


@dataclass(frozen=True)
class Plan:
    """What the search is asked for.

    Attributes:
        budget: trials and seconds.
        seed: of the search, of the folds and of every fit.
        rule: of the decision threshold.
        ray_address: of a Ray cluster; empty starts Ray in this process.
        tables: paths of the training and the validation rows. When given, the search is over
            XGBoost alone, and its winner is fitted on all of these rows, distributed.
    """

    budget: Budget
    seed: int
    rule: ThresholdRule
    ray_address: str = ""
    tables: tuple[str, str] | None = None

    @property
    def families(self) -> tuple[Family, ...]:
        """The families to search."""
        return (family_named("xgboost"),) if self.tables else families()


def run(
    folder: str, plan: Plan, bundle: str, table: str, settings: Settings, report: Report
) -> str:
    """Search, choose, refit on training and validation rows, and write the candidate bundle.

    A search that was interrupted goes on from its ended trials when the step runs again with the
    same rows and the same plan.

    Args:
        folder: the features step's output.
        plan: of the search.
        bundle: folder of the candidate bundle.
        table: path of the Markdown table of trials.
        settings: where MLflow's store and the state folder are.
        report: takes the step's facts and its progress.

    Returns:
        The MLflow run that holds the trials as child runs.
    """
    data = Matrices.read(Path(folder))
    facts = json.loads((Path(folder) / FACTS).read_text("utf-8"))
    tracking = Tracking(settings)
    parent = tracking.start(settings.run_id, synthetic=facts["provenance"]["synthetic"])
    journal = _journal(data, plan, settings)
    found = _search(data, plan, journal, settings, report)
    Path(table).write_text(trial_table(found.trials), "utf-8")
    _log(tracking, parent, plan, found.trials, Path(table))
    total = len(found.trials)
    report.progress("cross-validating the best", total, total)
    rows = data.joined()
    winner = choose(found.trials, rows, plan.rule, plan.seed)
    origin = Origin(Path(folder), facts, settings.run_id)
    report.progress("fitting the winner", total, total)
    made = _refit(winner, rows, origin, plan, settings)
    digest = write_candidate(winner, made, rows.x, origin, plan.seed, Path(bundle))
    journal.remove()
    tracking.log_metrics(parent, {"cross_validated_auc": winner.finalist.auc})
    tracking.log_curve(parent, "learning_curve", winner.trial.curve)
    _report(report, found, winner, digest, parent)
    return parent


def _journal(data: Matrices, plan: Plan, settings: Settings) -> Journal:
    budget = plan.budget
    digest = search_digest(plan.families, data, budget.trials, budget.seconds, plan.seed)
    return Journal(settings.state_dir / "tune" / digest[:16])


def _search(
    data: Matrices, plan: Plan, journal: Journal, settings: Settings, report: Report
) -> Found:
    every = plan.families
    total, ended = planned_trials(every, plan.budget), len(journal.trials)

    def tell(trial: TrialResult) -> None:
        nonlocal ended
        ended += 1
        report.progress(f"{trial.family} AUC {trial.best[1]:.4f}", ended, total)

    report.progress("starting Ray", ended, total)
    with (
        ray_runtime(settings.tune_cpus, data, plan.ray_address) as at_once,
        tempfile.TemporaryDirectory() as scratch,
    ):
        return search(every, data, plan.budget, plan.seed, journal, Path(scratch), tell, at_once)


def _refit(winner: Winner, rows: Rows, origin: Origin, plan: Plan, settings: Settings) -> Refit:
    if plan.tables is None:
        return refit(winner, rows, plan.seed)
    tables = Tables(*plan.tables, origin.folder, Target(origin.facts["target"]))
    resource, trial = winner.trial.best[0], winner.trial
    with (
        ray_runtime(settings.tune_cpus, None, plan.ray_address) as workers,
        tempfile.TemporaryDirectory() as scratch,
    ):
        booster = fit_distributed(
            trial.parameters, resource, tables, plan.seed, workers, Path(scratch)
        )
    return Refit(booster, tables.rows)


def _log(
    tracking: Tracking, parent: str, plan: Plan, trials: list[TrialResult], table: Path
) -> None:
    tracking.log_trials(parent, [_record(trial) for trial in trials])
    tracking.log_file(parent, table, "trials.md")
    pictures = {
        "trials.svg": trials_svg(plan.families, trials),
        "importance.svg": importance_svg(plan.families, trials, plan.seed),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in pictures.items():
            path = Path(scratch) / name
            path.write_text(content, "utf-8")
            tracking.log_file(parent, path, name)


def _record(trial: TrialResult) -> TrialRecord:
    return TrialRecord(trial.family, trial.parameters, trial.curve, trial.seconds, trial.finished)


def _report(report: Report, found: Found, winner: Winner, digest: str, parent: str) -> None:
    resource, auc = winner.trial.best
    report.add(
        trials=len(found.trials),
        failed_trials=found.failures,
        family=winner.trial.family,
        resource=resource,
        validation_auc=round(auc, 4),
        cross_validated_auc=round(winner.finalist.auc, 4),
        calibration=winner.calibrated.calibration.kind.value,
        threshold=round(winner.threshold, 4),
        bundle=digest,
        mlflow_run=parent,
    )
