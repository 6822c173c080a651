"""The model report: one HTML page for whoever must judge the candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.evaluation import figures
from components.evaluation.bootstrap import Interval
from components.evaluation.gate import Decision
from components.evaluation.limits import limits_of_use
from components.evaluation.measured import Measured
from components.evaluation.metrics import MEASURED
from components.evaluation.outcome import Evaluation
from components.evaluation.subgroups import LEAST_COMPARED, Subgroup
from components.ingest.tables import Provenance
from components.registry.bundle import Facts
from components.reporting.page import Cell, Page

READING = (
    "Intervals are 95 %, from 200 draws of patients. No skill is a model that knows the prevalence "
    "alone, gives everybody that risk and calls everybody readmitted. The calibration slope and "
    "intercept are ideal at 1 and 0. A contribution says what moves the model's risk, not what "
    "causes a readmission."
)
_LABELS = {
    "auc": "AUC",
    "brier": "Brier score (low is good)",
    "log_loss": "log loss (low is good)",
    "f1": "F1 at the threshold",
    "precision": "precision at the threshold",
    "recall": "recall at the threshold",
    "expected_calibration_error": "expected calibration error (low is good)",
}
_GROUP_HEADER = ("", "", "encounters", "patients", "readmitted", "mean risk", "AUC (95 %)",
                 "AUC gain (95 %)", "precision", "recall")  # fmt: skip
_GROUP_READING = (
    "The AUC gain is the candidate's AUC minus production's on the same encounters, for subgroups "
    f"of more than {LEAST_COMPARED} encounters with at least 10 of each outcome."
)


@dataclass(frozen=True)
class Lineage:
    """Where a candidate and the rows that it was tested on come from.

    Attributes:
        facts: of the bundle.
        digest: of the bundle.
        mlflow_run: holds the search's trials.
        learning_curve: resource and validation AUC of the winning trial.
        tested_on: where the test rows come from.
    """

    facts: Facts
    digest: str
    mlflow_run: str
    learning_curve: Sequence[tuple[int, float]]
    tested_on: Provenance


def model_report(lineage: Lineage, evaluation: Evaluation) -> str:
    """Return the report of a candidate as HTML."""
    facts, synthetic = lineage.facts, lineage.facts.synthetic or lineage.tested_on.synthetic
    page = Page("Readmission model", synthetic)
    _verdict(page, evaluation.decision)
    page.facts(_facts(facts, evaluation))
    _metrics_table(page, evaluation)
    page.figures(_pictures(lineage, evaluation))
    (tn, fp), (fn, tp) = evaluation.curves.confusion
    page.table(
        f"Confusion matrix at the threshold {facts.threshold:.3f}",
        ("", "called: not readmitted", "called: readmitted"),
        [("not readmitted", tn, fp), ("readmitted", fn, tp)],
    )
    page.table("By subgroup", _GROUP_HEADER, [_group(group) for group in evaluation.subgroups])
    page.paragraph(_GROUP_READING)
    page.table("Hyperparameters", ("name", "value"), _rounded(facts.parameters))
    page.facts(_lineage(lineage), "Lineage")
    auc = evaluation.candidate.auc
    page.notes("Limits of use", limits_of_use(auc, evaluation.subgroups, synthetic=synthetic))
    return page.html()


def _verdict(page: Page, decision: Decision) -> None:
    text = "Promote, forced" if decision.forced else "Promote" if decision.promote else "Refused"
    page.verdict(text, decision.reasons, acts=decision.forced or not decision.promote)


def metric_rows(measured: Measured) -> list[tuple[str, str, str]]:
    """Return label, value with its interval, and no-skill value of each metric."""
    return [
        (
            _LABELS.get(name, name.replace("_", " ")),
            _value(measured.intervals[name]),
            f"{getattr(measured.metrics, f'no_skill_{name}'):.3f}",
        )
        for name in MEASURED
    ]


def _facts(facts: Facts, evaluation: Evaluation) -> dict[str, str]:
    m = evaluation.candidate
    return {
        "Predicts": f"readmitted: {facts.target}",
        "Family": facts.family,
        "Trained on": f"{facts.rows:,} encounters up to batch {facts.batch}",
        "Tested on": f"{m.rows:,} encounters of patients that no training row holds, "
        f"{m.prevalence:.1%} of them readmitted",
        "Scores one encounter in": f"{evaluation.latency_ms:.3f} ms",
    }


def _metrics_table(page: Page, evaluation: Evaluation) -> None:
    new, old = evaluation.new, evaluation.old
    version = f"production, version {evaluation.production_version}" if old else "production"
    rows = [
        (label, value, _value(old.intervals[name]) if old else "none", no_skill)
        for name, (label, value, no_skill) in zip(MEASURED, metric_rows(new), strict=True)
    ]
    page.table("Metrics on the test rows", ("", "candidate (95 %)", version, "no skill"), rows)
    page.paragraph(READING)


def _pictures(lineage: Lineage, evaluation: Evaluation) -> list[tuple[str, str]]:
    curves, metrics = evaluation.curves, evaluation.candidate
    drawn = [
        ("ROC", figures.roc(curves, metrics)),
        ("Precision and recall", figures.precision_recall(curves, metrics)),
        ("Calibration by decile of risk", figures.calibration(curves, metrics)),
        ("Decision curve", figures.net_benefit(curves, lineage.facts.threshold)),
    ]
    if evaluation.contributions:
        bars = figures.contribution_bars(evaluation.contributions)
        drawn.append(("What moves the risk", bars))
    if lineage.learning_curve:
        drawn.append(("Learning curve", figures.learning_curve(lineage.learning_curve)))
    return drawn


def _group(group: Subgroup) -> tuple[Cell, ...]:
    return (
        group.column,
        group.level,
        group.rows,
        group.patients,
        f"{group.prevalence:.1%}",
        f"{group.mean_risk:.1%}",
        _value(group.auc) if group.auc else "too few",
        _gain(group.difference) if group.difference else "",
        "" if group.precision is None else f"{group.precision:.2f}",
        "" if group.recall is None else f"{group.recall:.2f}",
    )


def _lineage(lineage: Lineage) -> dict[str, str]:
    facts = lineage.facts
    return {
        "Source": facts.source,
        "Source sha256": facts.data_sha256,
        "Pipeline run": facts.run_id,
        "MLflow run": lineage.mlflow_run,
        "Bundle": lineage.digest,
        "Made": facts.created,
        "Code": facts.commit,
        "Libraries": ", ".join(f"{name} {v}" for name, v in facts.libraries.items()),
    }


def _value(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _gain(interval: Interval) -> str:
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def _rounded(parameters: Mapping[str, float | int | str]) -> list[tuple[Cell, ...]]:
    return [(k, round(v, 4) if isinstance(v, float) else v) for k, v in parameters.items()]
