"""The model report: one HTML page for whoever must judge the candidate."""

from __future__ import annotations

import io
from collections.abc import Mapping

from matplotlib.figure import Figure

from components.evaluation.metrics import Curves, Metrics
from components.evaluation.outcome import Evaluation
from components.registry.bundle import Facts
from components.reporting.page import Page

_LIMITS = (
    "The risk is a help for planning follow-up after discharge, not a diagnosis. It holds for "
    "encounters like those of the source named above and has not been tested on other populations."
)
_SYNTHETIC_LIMITS = (
    "Trained and tested on a synthetic cohort: its numbers say that the pipeline works and nothing "
    "about patients. It must not be used for any."
)

_METRICS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score (lower is better)",
    "f1": "F1 at the threshold",
}


def model_report(facts: Facts, evaluation: Evaluation) -> str:
    """Return the report of a candidate as HTML."""
    page = Page("Readmission model", facts.synthetic)
    page.facts(
        {
            "Decision": "promote" if evaluation.decision.promote else "refused",
            "Predicts": f"readmitted: {facts.target}",
            "Family": facts.family,
            "Training rows": f"{facts.rows:,}",
            "Batch": str(facts.batch),
            "Source": facts.source,
            "Source sha256": facts.data_sha256,
            "Run": facts.run_id,
        }
    )
    reasons = [tuple(reason.split(": ", 1)) for reason in evaluation.decision.reasons]
    page.table("Gate", ("rule", "outcome"), [(text[-1], text[0]) for text in reasons])
    _metrics_table(page, evaluation)
    page.figure("ROC curve on the test rows", _roc(evaluation.curves, evaluation.candidate))
    (tn, fp), (fn, tp) = evaluation.curves.confusion
    page.table(
        f"Confusion matrix at the threshold {facts.threshold:.3f}",
        ("", "predicted: not readmitted", "predicted: readmitted"),
        [("not readmitted", tn, fp), ("readmitted", fn, tp)],
    )
    page.table("Hyperparameters", ("name", "value"), _rounded(facts.parameters))
    page.paragraph(_SYNTHETIC_LIMITS if facts.synthetic else _LIMITS)
    return page.html()


def _rounded(parameters: Mapping[str, float | int | str]) -> list[tuple[str, float | int | str]]:
    return [(k, round(v, 4) if isinstance(v, float) else v) for k, v in parameters.items()]


def _metrics_table(page: Page, evaluation: Evaluation) -> None:
    new, old = evaluation.candidate, evaluation.production
    rows = [
        (
            label,
            f"{getattr(new, name):.4f}",
            f"{getattr(old, name):.4f}" if old else "none",
            f"{getattr(new, f'no_skill_{name}'):.4f}",
        )
        for name, label in _METRICS.items()
    ]
    version = f"production, version {evaluation.production_version}" if old else "production"
    title = f"{new.rows:,} test encounters, {new.prevalence:.1%} readmitted"
    page.table(title, ("", "candidate", version, "no skill"), rows)


def _roc(curves: Curves, metrics: Metrics) -> str:
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        curves.false_positive_rate,
        curves.true_positive_rate,
        color="#0b5c8f",
        label=f"candidate, AUC {metrics.auc:.3f}",
    )
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linestyle="--", label="no skill, AUC 0.500")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower right")
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    return drawn.getvalue().partition('.dtd">')[2]  # without the XML prolog, to stand in HTML
