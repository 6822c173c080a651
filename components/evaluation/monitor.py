"""Score production on a batch that needed no retraining."""

from __future__ import annotations

from pathlib import Path

from components.errors import InputError
from components.evaluation.metrics import Metrics
from components.evaluation.report import metric_rows
from components.evaluation.scoring import scored
from components.events import Report
from components.features.target import Target
from components.ingest.tables import provenance_of, read_table
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.reporting.page import Page
from components.settings import Settings


def run(batch: str, page: str, settings: Settings, report: Report) -> Metrics:
    """Measure the production model on the newest batch, whose labels have arrived.

    Args:
        batch: path of the newest batch's rows.
        page: path of the HTML report.
        settings: where the registry and the store are.
        report: takes the step's facts.

    Raises:
        InputError: there is no production model yet.
    """
    production = Registry(settings).production()
    if production is None:
        raise InputError("there is no production model yet; run batch 0, the initial training")
    table = read_table(batch)
    bundle = BundleStore(settings.bundle_store).get(production.bundle_uri)
    labels = Target(bundle.facts.target).labels(table)
    measured = scored(bundle, table, labels).measured
    provenance = provenance_of(table)
    shown = Page(f"Version {production.number} on batch {provenance.batch}", provenance.synthetic)
    shown.facts({"Encounters": f"{table.num_rows:,}", "Source": provenance.source})
    shown.table("Metrics", ("", "production (95 %)", "no skill"), metric_rows(measured))
    Path(page).write_text(shown.html(), "utf-8")
    found = measured.metrics
    report.add(production=found.to_json(), production_version=production.number, report=page)
    return found
