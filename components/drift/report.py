"""The drift report: one HTML page for whoever asks why a model was or was not retrained."""

from __future__ import annotations

from collections.abc import Sequence

from components.drift.auc import Estimate
from components.drift.decision import DriftDecision, DriftRules, Findings
from components.drift.figures import distributions, trend
from components.drift.pair import Pair
from components.drift.performance import Performance
from components.drift.statistics import ColumnDrift
from components.ingest.tables import Provenance
from components.registry.drift_log import DriftRecord
from components.reporting.page import Page

_DRAWN = 6
_HEADER = ("column", "PSI", "distance", "", "effect", "adjusted p", "missing before", "after",
           "new levels")  # fmt: skip
_READING = (
    "Effects are those of all rows; the tests see one encounter a patient, and p is adjusted over "
    "all columns. The distance is Wasserstein's in standard deviations (sd) where values have an "
    "order, else that of Jensen and Shannon (JS); the effect is Cohen's d or Cramér's V."
)


def drift_report(
    found: Findings,
    decision: DriftDecision,
    rules: DriftRules,
    sides: Pair | None,
    records: Sequence[DriftRecord],
    provenance: Provenance,
) -> str:
    """Return the report of a batch as HTML.

    Args:
        found: what was found of the batch.
        decision: what it came to.
        rules: the lines that it was held to.
        sides: reference and batch; ``None`` for the initial training.
        records: every batch of this source so far, this one among them.
        provenance: where the batch came from.
    """
    page = Page(f"Drift of batch {found.batch}", provenance.synthetic)
    text = "Retrain" if decision.retrain else "Keep the production model"
    page.verdict(text, decision.reasons, acts=decision.retrain)
    page.facts(_facts(found, rules, sides, provenance))
    _labels(page, found.performance)
    _trend(page, records, rules)
    if sides is not None:
        _columns(page, found.columns, rules, sides)
    return page.html()


def _facts(
    found: Findings, rules: DriftRules, sides: Pair | None, provenance: Provenance
) -> dict[str, str]:
    facts = {"Source": provenance.source}
    if sides is None:
        return facts
    old, new = int((~sides.in_batch).sum()), int(sides.in_batch.sum())
    before = "before the batch" if found.version else "in the earliest fifth"
    return facts | {
        "Production": f"version {found.version}" if found.version else "none",
        "Compared": f"{new:,} rows of the batch with {old:,} {before}; "
        f"{int(sides.independent.sum()):,} patients",
        "Batch told from reference": _interval("AUC", found.classifier),
        "A column drifts from": f"PSI {rules.psi} or {rules.max_shift} sd, adjusted p < 0.05",
        "Retraining also from": f"a classifier AUC surely above {rules.classifier_auc}, or "
        f"production's AUC lower by more than {rules.max_auc_drop} beyond sampling error",
    }


def _labels(page: Page, performance: Performance) -> None:
    rows: list[tuple[str, str, str, str]] = []
    if labels := performance.labels:
        shares = (f"{labels.before:.1%}", f"{labels.after:.1%}")
        rows.append(("readmitted", *shares, _value(labels.change, "+.1%")))
    if drop := performance.drop:
        values = (_value(drop.promotion), _value(drop.batch))
        rows.append(("production AUC", *values, _value(drop.change, "+.3f")))
    elif performance.production:
        rows.append(("production AUC", "not recorded", _value(performance.production), ""))
    header = ("", "reference / at promotion", "batch", "change")
    page.table("What the labels say (95 % intervals by patient)", header, rows)


def _trend(page: Page, records: Sequence[DriftRecord], rules: DriftRules) -> None:
    compared = [record for record in records if record.batch > 0]
    if not compared:
        return
    page.figure("Trend across batches (orange: retrain)", trend(compared, rules.psi))
    header = ("batch", "decision", "largest PSI", "of", "drifted columns", "classifier AUC",
              "production AUC", "readmitted")  # fmt: skip
    page.table("Batches of this source, the last run of each", header, [_row(r) for r in compared])


def _row(record: DriftRecord) -> tuple[str, ...]:
    return (
        str(record.batch),
        "retrain" if record.retrain else "keep",
        f"{record.largest_psi:.3f}",
        record.largest_psi_column,
        str(record.drifted_columns),
        _number(record.classifier_auc, ".3f"),
        _number(record.production_auc, ".3f"),
        _number(record.prevalence, ".1%"),
    )


def _columns(page: Page, columns: Sequence[ColumnDrift], rules: DriftRules, sides: Pair) -> None:
    shown = sorted(columns, key=lambda drift: not rules.drifted(drift))  # keeps the order of PSI
    drifted = [drift.column for drift in shown if rules.drifted(drift)]
    drawn = (drifted or [drift.column for drift in shown])[:_DRAWN]
    title = "Drifted columns, before and after" if drifted else "Largest shifts, before and after"
    page.figure(title, distributions(sides, drawn))
    title = f"Columns: {len(drifted)} of {len(columns)} drifted"
    page.table(title, _HEADER, [_cells(drift) for drift in shown], marked=range(len(drifted)))
    page.paragraph(_READING)


def _cells(drift: ColumnDrift) -> tuple[str, ...]:
    return (
        drift.column,
        f"{drift.psi:.3f}",
        f"{drift.distance:.3f}",
        drift.measure.value,
        f"{drift.effect:+.2f}",
        "< 0.001" if drift.p_adjusted < 0.001 else f"{drift.p_adjusted:.3f}",
        f"{drift.missing_before:.1%}",
        f"{drift.missing_after:.1%}",
        f"{drift.new:.1%}",
    )


def _interval(name: str, estimate: Estimate | None) -> str:
    return f"{name} {_value(estimate)}" if estimate else "too few rows"


def _value(estimate: Estimate, form: str = ".3f") -> str:
    value, low, high = (format(v, form) for v in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
