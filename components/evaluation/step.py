"""The evaluate step: candidate and production on the same raw test rows, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.errors import InputError
from components.evaluation.gate import Comparison, GateRules, decide
from components.evaluation.metrics import curves, measure, paired_auc_difference
from components.evaluation.outcome import Evaluation
from components.evaluation.report import model_report
from components.evaluation.scoring import score_table
from components.events import Report
from components.features.target import Target
from components.ingest.tables import read_table
from components.registry.bundle import Bundle, load_bundle
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.registry.tracking import Tracking
from components.settings import Settings

_SEED = 20140211


def run(
    test: str,
    bundle: str,
    mlflow_run: str,
    rules: GateRules,
    outputs: tuple[str, str],
    settings: Settings,
    report: Report,
) -> Evaluation:
    """Evaluate the candidate, compare it with production, and decide.

    Args:
        test: path of the raw test rows.
        bundle: folder of the candidate bundle.
        mlflow_run: takes the metrics.
        rules: the gate's limits.
        outputs: paths of the HTML report and of the evaluation's JSON.
        settings: where the registry and the store are.
        report: takes the step's facts.

    Raises:
        InputError: the test rows all have the same label.
        BundleError: a bundle is not sound; a mismatch is never repaired.
    """
    table, candidate = read_table(test), load_bundle(Path(bundle))
    evaluation = evaluate(table, candidate, rules, settings)
    page, summary = outputs
    Path(page).write_text(model_report(candidate.facts, evaluation), "utf-8")
    Path(summary).write_text(json.dumps(_summary(evaluation)), "utf-8")
    tracking = Tracking(settings)
    tracking.log_metrics(
        mlflow_run, {f"test_{k}": v for k, v in evaluation.candidate.to_json().items()}
    )
    tracking.log_file(mlflow_run, Path(page), "report.html")
    report.add(report=page, **_summary(evaluation))
    return evaluation


def evaluate(
    table: pa.Table, candidate: Bundle, rules: GateRules, settings: Settings
) -> Evaluation:
    """Score raw rows with the candidate and with production, each through its own bundle."""
    labels = Target(candidate.facts.target).labels(table)
    if labels.min() == labels.max():
        raise InputError(f"test: all {labels.size} encounters have the same label")
    risks = score_table(candidate, table)
    threshold = candidate.facts.threshold
    metrics = measure(labels, risks, threshold)
    production = Registry(settings).production()
    old_metrics, comparison = None, None
    if production is not None:
        old = BundleStore(settings.bundle_store).get(production.bundle_uri)
        old_risks = score_table(old, table)
        patients = table["patient_nbr"].to_numpy()
        old_metrics = measure(labels, old_risks, old.facts.threshold)
        comparison = Comparison(
            production.number,
            paired_auc_difference(labels, risks, old_risks, patients, seed=_SEED),
            same_target=old.facts.target == candidate.facts.target,
            loses_real_data=candidate.facts.synthetic and not old.facts.synthetic,
        )
    decision = decide(metrics, comparison, rules)
    return Evaluation(
        metrics,
        old_metrics,
        production.number if production else "",
        curves(labels, np.asarray(risks), threshold),
        decision,
    )


def _summary(evaluation: Evaluation) -> dict[str, object]:
    old = evaluation.production
    return {
        "promote": evaluation.decision.promote,
        "reasons": list(evaluation.decision.reasons),
        "candidate": evaluation.candidate.to_json(),
        "production": old.to_json() if old else None,
        "production_version": evaluation.production_version,
    }
