from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from builders import tiny_bundle
from drift.changes import replaced, shifted
from mlflow import MlflowClient

from components.drift.decision import DriftDecision, DriftRules
from components.drift.step import DriftOutputs, DriftTables, run
from components.evaluation.scoring import score_table
from components.events import Report
from components.features.target import LABEL, Target
from components.ingest.split import batch_cuts, eras, run_tables, sides
from components.ingest.tables import Provenance, write_table
from components.registry.drift_log import EXPERIMENT, DriftLog
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore
from components.schema import encounter_schema
from components.settings import Settings

SOURCE = "synthetic:rows=16000&seed=11"
TABLES = ("reference", "train", "validation", "batch")


@dataclass
class Bench:
    """A store, and a stream to run the step on."""

    folder: Path
    settings: Settings
    stream: pa.Table
    report: Report

    @property
    def page(self) -> str:
        return (self.folder / "page.html").read_text("utf-8")

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "drift.json").read_text("utf-8"))
        return found

    @property
    def logged(self) -> list[Any]:
        client = MlflowClient(self.settings.tracking_uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return list(client.search_runs([experiment.experiment_id])) if experiment else []

    def promote(self, bundle: Path, auc: float) -> None:
        uri = BundleStore(self.settings.bundle_store).put(bundle)
        registry = Registry(self.settings)
        tags = {"metric.auc": str(auc), "metric.rows": "3000", "metric.prevalence": "0.45"}
        version = registry.register(uri, "", tags)
        registry.point(Alias.PRODUCTION, version.number)

    def run(
        self,
        batch: int,
        change: Callable[[pa.Table], pa.Table] = lambda table: table,
        rules: DriftRules | None = None,
        source: str = SOURCE,
    ) -> DriftDecision:
        ids = self.stream["encounter_id"].to_numpy()
        cuts = batch_cuts(ids)
        patient = sides(self.stream["patient_nbr"].to_numpy())
        masks = run_tables(eras(ids, cuts), patient, batch)
        provenance = Provenance(source, "0" * 64, ids.size, synthetic=True, batch=batch, cuts=cuts)
        for name in TABLES:
            table = self.stream.filter(pa.array(masks[name]))
            table = change(table) if name == "batch" else table
            write_table(table, str(self.folder / name), provenance)
        return run(
            DriftTables(*(str(self.folder / name) for name in TABLES)),
            rules or DriftRules(),
            DriftOutputs(str(self.folder / "page.html"), str(self.folder / "drift.json")),
            self.settings,
            self.report,
        )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_bundle(path)
    return path


@pytest.fixture
def bench(tmp_path: Path, settings: Callable[..., Settings], cohort: pa.Table) -> Bench:
    return Bench(tmp_path, settings(), cohort, Report("drift"))


@pytest.fixture
def promoted(bench: Bench, bundle: Path) -> Bench:
    bench.promote(bundle, auc=production_auc(bench.stream, bundle))
    return bench


def production_auc(table: pa.Table, bundle: Path) -> float:
    from sklearn.metrics import roc_auc_score

    from components.registry.bundle import load_bundle

    risks = score_table(load_bundle(bundle), table)
    return float(roc_auc_score(Target.ANY.labels(table), risks))


def race(table: pa.Table) -> pa.Table:
    return shifted(table, "race", 0.5)


def test_the_initial_training_compares_nothing(bench: Bench) -> None:
    assert bench.run(0) == DriftDecision(True, ("initial training",))
    assert "initial training" in bench.page
    assert bench.report.facts["retrain"] is True
    assert bench.report.facts["largest_psi"] == 0.0
    assert bench.summary["columns"] == []


def test_without_production_the_batch_is_held_against_the_earliest_fifth(bench: Bench) -> None:
    decision = bench.run(2)
    assert decision == DriftDecision(True, ("no production model yet",))
    assert len(bench.summary["columns"]) == len(encounter_schema().features)
    assert bench.summary["performance"]["production"] is None
    assert "in the earliest fifth" in bench.page


def test_a_calm_batch_keeps_production_and_says_why(promoted: Bench) -> None:
    decision = promoted.run(1)
    assert not decision.retrain
    facts = promoted.report.facts
    assert facts["reasons"] == list(decision.reasons)
    assert facts["drift_report"] == str(promoted.folder / "page.html")
    assert facts["drifted_columns"] == 0
    assert 0.45 < facts["classifier_auc"] < 0.55
    assert facts["largest_psi"] == pytest.approx(promoted.summary["columns"][0]["psi"], abs=1e-4)
    assert facts["largest_psi_column"] == promoted.summary["columns"][0]["column"]
    for shown in ("Drift of batch 1", "Keep the production model", "synthetic data", "version 1"):
        assert shown in promoted.page
    assert all(column.name in promoted.page for column in encounter_schema().features)


def test_a_drifted_column_retrains_and_is_marked(promoted: Bench) -> None:
    decision = promoted.run(1, race)
    assert decision.retrain
    assert decision.reasons[0].startswith("drifted: race PSI ")
    assert promoted.report.facts["drifted_columns"] == 1
    assert promoted.page.count('<tr class="marked"><td>race</td>') == 1
    assert "1 of 47 drifted" in promoted.page


def test_force_retrains_on_a_calm_batch(promoted: Bench) -> None:
    decision = promoted.run(1, rules=replace(DriftRules(), force=True))
    assert decision.retrain
    assert decision.reasons[0] == "forced by drift_force"


def test_labels_that_no_longer_follow_the_risk_retrain(promoted: Bench, bundle: Path) -> None:
    def turned(table: pa.Table) -> pa.Table:
        labels = np.random.default_rng(0).permutation(table[LABEL].to_numpy(zero_copy_only=False))
        return replaced(table, LABEL, labels.tolist())

    promoted.promote(bundle, auc=0.75)
    decision = promoted.run(1, turned)
    assert decision.retrain
    (reason,) = decision.reasons
    assert reason.startswith("production AUC fell by 0.2")
    assert "from 0.750" in reason


def test_production_whose_auc_was_not_recorded_is_measured_and_not_blamed(
    bench: Bench, bundle: Path
) -> None:
    uri = BundleStore(bench.settings.bundle_store).put(bundle)
    registry = Registry(bench.settings)
    registry.point(Alias.PRODUCTION, registry.register(uri, "", {}).number)
    assert not bench.run(1).retrain
    assert bench.summary["performance"]["drop"] is None
    assert bench.summary["performance"]["production"]["value"] == pytest.approx(
        bench.report.facts["production_auc"], abs=1e-4
    )
    assert "not recorded" in bench.page


def test_labels_that_have_not_arrived_keep_production_by_its_columns(promoted: Bench) -> None:
    def unlabelled(table: pa.Table) -> pa.Table:
        return replaced(table, LABEL, [None] * table.num_rows)

    assert not promoted.run(1, unlabelled).retrain
    assert promoted.report.facts["production_auc"] is None
    assert promoted.report.facts["prevalence"] is None


def test_the_report_is_one_page_that_fetches_nothing(promoted: Bench) -> None:
    promoted.run(1)
    for fetch in ("<script", "<link", "<img", "<iframe", "@import", "src=", "url(http"):
        assert fetch not in promoted.page
    assert promoted.page.count("<svg") == promoted.page.count("</svg>") == 2


def test_each_run_is_logged_with_its_report(promoted: Bench) -> None:
    promoted.run(1, race)
    (run_,) = promoted.logged
    assert run_.info.status == "FINISHED"
    assert run_.data.tags["batch"] == "1"
    assert run_.data.tags["decision"] == "retrain"
    assert run_.data.tags["largest_psi_column"] == "race"
    facts = promoted.report.facts
    for name in ("largest_psi", "drifted_columns", "classifier_auc", "production_auc"):
        assert run_.data.metrics[name] == pytest.approx(facts[name], abs=1e-4)
    client = MlflowClient(promoted.settings.tracking_uri)
    artifacts = [file.path for file in client.list_artifacts(run_.info.run_id)]
    assert artifacts == ["drift.html", "drift.json"]


def test_the_trend_shows_the_last_run_of_each_batch_of_this_source(promoted: Bench) -> None:
    promoted.run(1, race, source="another")
    promoted.run(0)
    promoted.run(1, race)
    promoted.run(1)
    promoted.run(2, race)
    records = DriftLog(promoted.settings).batches(SOURCE)
    assert [(r.batch, r.retrain) for r in records] == [(0, True), (1, False), (2, True)]
    assert records[2].largest_psi_column == "race"
    trend = promoted.page.partition("the last run of each")[2].partition("</table>")[0]
    assert trend.count("<tr>") == 3
    assert "keep" in trend
    assert "retrain" in trend
