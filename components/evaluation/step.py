"""The evaluate step: candidate and production on the same raw test rows, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from components.errors import InputError
from components.evaluation.bootstrap import paired_auc_difference
from components.evaluation.calibration import Labels
from components.evaluation.comparison import Comparison
from components.evaluation.contributions import contributions
from components.evaluation.curves import curves
from components.evaluation.gate import decide
from components.evaluation.latency import single_row_latency
from components.evaluation.outcome import Evaluation
from components.evaluation.report import Lineage, model_report
from components.evaluation.rules import GateRules
from components.evaluation.scoring import SEED, Scored, patients_of, scored
from components.evaluation.subgroups import subgroups
from components.events import Report
from components.features.target import Target
from components.ingest.tables import provenance_of, read_table
from components.registry.bundle import Bundle, load_bundle
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.registry.tracking import Tracking
from components.settings import Settings

_MOST_TEXT = 5000  # characters; MLflow refuses a tag of more than 8000


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
        mlflow_run: takes the metrics, the report and the decision.
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
    _record(tracking, mlflow_run, Path(page), evaluation)
    report.add(report=page, **evaluation.summary())
    return evaluation


def _record(tracking: Tracking, mlflow_run: str, page: Path, evaluation: Evaluation) -> None:
    """Put metrics, report and, for the step's good end, the decision on the MLflow run."""
    found = evaluation.candidate.to_json() | evaluation.new.bounds()
    found["latency_ms"] = evaluation.latency_ms
    tracking.log_metrics(mlflow_run, {f"test_{name}": value for name, value in found.items()})
    tracking.log_file(mlflow_run, page, "report.html")
    decision = evaluation.decision
    tags = {
        "decision": "promote" if decision.promote else "refuse",
        "reasons": "; ".join(decision.reasons)[:_MOST_TEXT],
        "compared_with": evaluation.production_version,
    }
    tracking.tag(mlflow_run, tags)


def evaluate(
    table: pa.Table, candidate: Bundle, rules: GateRules, settings: Settings
) -> Evaluation:
    """Score raw rows with the candidate and with production, each through its own bundle."""
    labels = Target(candidate.facts.target).labels(table)
    if labels.min() == labels.max():
        raise InputError(f"test: all {labels.size} encounters have the same label")
    patients, threshold = patients_of(table), candidate.facts.threshold
    new, latency = scored(candidate, table, labels), single_row_latency(candidate)
    version, old = _production(table, labels, settings)
    groups = subgroups(table, labels, new.risks, threshold, SEED, old.risks if old else None)
    comparison = None
    if old is not None:
        difference = paired_auc_difference(labels, new.risks, old.risks, patients, seed=SEED)
        comparison = Comparison(
            version,
            difference,
            groups,
            same_target=old.facts.target == new.facts.target,
            loses_real_data=new.facts.synthetic and not old.facts.synthetic,
        )
    return Evaluation(
        new.measured,
        old.measured if old else None,
        version,
        curves(labels, new.risks, threshold),
        groups,
        contributions(candidate, table),
        latency,
        decide(new.measured, latency, comparison, rules),
    )


def _production(table: pa.Table, labels: Labels, settings: Settings) -> tuple[str, Scored | None]:
    """Return the number of the version that serves, and what its own bundle makes of the rows."""
    found = Registry(settings).production()
    if found is None:
        return "", None
    bundle = BundleStore(settings.bundle_store).get(found.bundle_uri)
    return found.number, scored(bundle, table, labels)
