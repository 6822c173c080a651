"""The evaluate step: candidate and production on the same raw test rows, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from components.errors import InputError
from components.evaluation.bootstrap import paired_auc_difference
from components.evaluation.contributions import contributions
from components.evaluation.curves import curves
from components.evaluation.gate import Comparison, GateRules, decide
from components.evaluation.outcome import Evaluation
from components.evaluation.report import Lineage, model_report
from components.evaluation.scoring import SEED, measured_on, patients_of, score_table
from components.evaluation.subgroups import subgroups
from components.events import Report
from components.features.target import Target
from components.ingest.tables import provenance_of, read_table
from components.registry.bundle import Bundle, load_bundle
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.registry.tracking import Tracking
from components.settings import Settings


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
    tracking = Tracking(settings)
    lineage = Lineage(
        candidate.facts,
        candidate.digest,
        mlflow_run,
        tracking.curve(mlflow_run, "learning_curve"),
        provenance_of(table),
    )
    Path(page).write_text(model_report(lineage, evaluation), "utf-8")
    Path(summary).write_text(json.dumps(evaluation.to_json()), "utf-8")
    found = evaluation.candidate.to_json() | evaluation.new.bounds()
    tracking.log_metrics(mlflow_run, {f"test_{name}": value for name, value in found.items()})
    tracking.log_file(mlflow_run, Path(page), "report.html")
    report.add(report=page, **evaluation.summary())
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
    new = measured_on(candidate, table, labels, risks)
    production = Registry(settings).production()
    old, comparison = None, None
    if production is not None:
        bundle = BundleStore(settings.bundle_store).get(production.bundle_uri)
        old_risks = score_table(bundle, table)
        old = measured_on(bundle, table, labels, old_risks)
        comparison = Comparison(
            production.number,
            paired_auc_difference(labels, risks, old_risks, patients_of(table), seed=SEED),
            same_target=bundle.facts.target == candidate.facts.target,
            loses_real_data=candidate.facts.synthetic and not bundle.facts.synthetic,
        )
    return Evaluation(
        new,
        old,
        production.number if production else "",
        curves(labels, risks, threshold),
        subgroups(table, labels, risks, threshold, SEED),
        contributions(candidate, table),
        decide(new.metrics, comparison, rules),
    )
