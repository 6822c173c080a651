"""The drift step: hold the newest batch against what production was trained on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa

from components.deployment.recognise import recognise
from components.drift.classifier import classifier_test
from components.drift.decision import DriftDecision, DriftRules, Findings, decide
from components.drift.pair import Pair, pair
from components.drift.performance import (
    AucDrop,
    Performance,
    auc_at_promotion,
    label_drift,
    production_auc,
)
from components.drift.report import drift_report
from components.drift.statistics import column_drifts
from components.drift.window import read_rows, source_of, window_end
from components.evaluation.scoring import score_table
from components.events import Report
from components.features.target import Target
from components.ingest.layout import DataPrefix
from components.ingest.tables import Provenance
from components.registry.bundle import Bundle
from components.registry.drift_log import DriftLog, DriftRecord
from components.registry.models import Registry, Version
from components.registry.store import BundleStore
from components.schema import encounter_schema
from components.settings import Settings


@dataclass(frozen=True)
class DriftTables:
    """Paths of the tables that the step reads."""

    reference: str
    train: str
    validation: str
    batch: str


@dataclass(frozen=True)
class DriftOutputs:
    """Paths that the step writes to."""

    page: str
    summary: str


def run(
    tables: DriftTables,
    rules: DriftRules,
    outputs: DriftOutputs,
    settings: Settings,
    report: Report,
) -> DriftDecision:
    """Decide whether to retrain on the batch; write the report, log it to MLflow, publish it.

    First of all the registry is brought in line with what serves: the batch is held against what
    that was trained on, and a candidate will be compared with it.

    Args:
        tables: what to compare.
        rules: the lines from which a shift counts.
        outputs: where the HTML report and its numbers as JSON go.
        settings: where the registry and the store are.
        report: takes the step's facts.
    """
    if recognised := recognise(settings):
        report.add(recognised=recognised)
    provenance = source_of(tables.batch)
    found, sides = _findings(tables, provenance, settings)
    decision = decide(found, rules)
    log, record = DriftLog(settings), _record(found, decision, rules)
    earlier = [r for r in log.batches(provenance.source) if r.batch != record.batch]
    records = sorted([*earlier, record], key=lambda r: r.batch)
    texts = {
        "drift.html": drift_report(found, decision, rules, sides, records, provenance),
        "drift.json": _summary(found, decision, rules, provenance),
    }
    Path(outputs.page).write_text(texts["drift.html"], "utf-8")
    Path(outputs.summary).write_text(texts["drift.json"], "utf-8")
    _publish(outputs, record.batch, settings)
    # The last, for the exit handler takes it for the step's good end.
    log.add(record, texts, source=provenance.source, synthetic=provenance.synthetic)
    known = {k: v for k, v in asdict(record).items() if k not in ("batch", "retrain")}
    report.add(
        retrain=decision.retrain,
        reasons=list(decision.reasons),
        drift_report=outputs.page,
        **{k: round(v, 4) if isinstance(v, float) else v for k, v in known.items()},
    )
    return decision


def _publish(outputs: DriftOutputs, batch: int, settings: Settings) -> None:
    """Keep the report beside the data, where users look for it."""
    prefix = DataPrefix(settings.data_prefix)
    prefix.put(Path(outputs.page), prefix.drift_report(batch))
    prefix.put(Path(outputs.summary), prefix.drift_report(f"batch-{batch}.json"))


def compare(
    reference: pa.Table, batch: pa.Table, number: int, version: Version | None, model: Bundle | None
) -> tuple[Findings, Pair]:
    """Compare two tables of encounters.

    Args:
        reference: rows of production's training window.
        batch: rows of the newest batch.
        number: of the batch.
        version: production, with its tags; ``None`` before the first promotion.
        model: production's bundle.
    """
    sides = pair(reference, batch, encounter_schema())
    target = Target(model.facts.target) if model else Target.ANY
    performance = Performance(labels=label_drift(reference, batch, target))
    if version and model:
        now, then = production_auc(score_table(model, batch), batch, target), version.tags
        promoted = auc_at_promotion(then)
        drop = AucDrop(promoted, now) if promoted and now else None
        performance = replace(performance, production=now, drop=drop)
    return Findings(
        number,
        version.number if version else "",
        tuple(column_drifts(sides)),
        classifier_test(sides),
        performance,
    ), sides


def _findings(
    tables: DriftTables, provenance: Provenance, settings: Settings
) -> tuple[Findings, Pair | None]:
    number, version = provenance.batch, Registry(settings).production()
    if number == 0:
        return Findings(0, version.number if version else ""), None
    if version is None:
        return compare(read_rows([tables.reference]), read_rows([tables.batch]), number, None, None)
    model = BundleStore(settings.bundle_store).get(version.bundle_uri)
    before = window_end(provenance.cuts, model.facts.batch, number)
    window = read_rows([tables.train, tables.validation], before)
    return compare(window, read_rows([tables.batch]), number, version, model)


def _record(found: Findings, decision: DriftDecision, rules: DriftRules) -> DriftRecord:
    largest = found.columns[0] if found.columns else None
    labels, production = found.performance.labels, found.performance.production
    return DriftRecord(
        batch=found.batch,
        retrain=decision.retrain,
        largest_psi=largest.psi if largest else 0.0,
        largest_psi_column=largest.column if largest else "",
        drifted_columns=sum(rules.drifted(drift) for drift in found.columns),
        classifier_auc=found.classifier.value if found.classifier else None,
        production_auc=production.value if production else None,
        prevalence=labels.after if labels else None,
    )


def _summary(
    found: Findings, decision: DriftDecision, rules: DriftRules, provenance: Provenance
) -> str:
    whole = {
        "decision": asdict(decision),
        "rules": asdict(rules),
        "provenance": asdict(provenance),
        **found.to_json(),
    }
    return json.dumps(whole, indent=1, allow_nan=False)
