"""The drift step: compare the newest batch with the reference."""

from __future__ import annotations

from pathlib import Path

from components.drift.decision import DriftDecision, decide
from components.drift.statistics import ColumnDrift, column_drifts
from components.events import Report
from components.ingest.tables import Provenance, provenance_of, read_table
from components.reporting.page import Page
from components.schema import encounter_schema


def run(
    reference: str, batch: str, threshold: float, force: bool, page: str, report: Report
) -> DriftDecision:
    """Decide whether to retrain on the batch, and write the report.

    Args:
        reference: path of the reference's table.
        batch: path of the newest batch's table.
        threshold: PSI from which a column counts as drifted.
        force: retrain whatever the columns say.
        page: path of the HTML report.
        report: takes the step's facts.
    """
    newest = read_table(batch)
    provenance = provenance_of(newest)
    drifts = column_drifts(read_table(reference), newest, encounter_schema())
    decision = decide(drifts, provenance.batch, threshold, force)
    Path(page).write_text(_page(drifts, decision, provenance, threshold), "utf-8")
    report.add(
        retrain=decision.retrain,
        reasons=list(decision.reasons),
        largest_psi=round(drifts[0].psi, 4),
        largest_psi_column=drifts[0].column,
        drift_report=page,
    )
    return decision


def _page(
    drifts: list[ColumnDrift], decision: DriftDecision, provenance: Provenance, threshold: float
) -> str:
    page = Page(f"Drift of batch {provenance.batch}", provenance.synthetic)
    page.facts(
        {
            "Source": provenance.source,
            "Decision": "retrain" if decision.retrain else "keep the production model",
            "Because": "; ".join(decision.reasons),
            "A column counts as drifted from": f"PSI {threshold}",
        }
    )
    rows = [(d.column, round(d.psi, 4), "drifted" if d.psi >= threshold else "") for d in drifts]
    page.table("Columns, batch against reference", ("column", "PSI", ""), rows)
    return page.html()
