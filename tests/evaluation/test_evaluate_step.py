from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import labels, random_rows, rows_table, tiny_bundle
from mlflow import MlflowClient

from components.errors import BundleError, InputError
from components.evaluation import monitor
from components.evaluation.gate import GateRules
from components.evaluation.metrics import Metrics, measure
from components.evaluation.outcome import Evaluation
from components.evaluation.step import run
from components.events import Report
from components.ingest.tables import Provenance, write_table
from components.registry.bundle import Bundle, load_bundle, write_bundle
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore, local_path
from components.registry.tracking import Tracking
from components.settings import Settings

ROWS = 600  # those that tiny_bundle fits on: its own seed passes the floors, another may not
SEED = 0
RULES = GateRules(min_auc=0.55, max_auc_drop=0.02, allow_synthetic=False, force=False)
FETCHES = re.compile(
    r"""<script|<link|<iframe|<img|@import|(?:src|href|action)\s*=\s*["']?(?!["']?\#)|url\((?!\#)"""
)


@dataclass(frozen=True)
class Bench:
    """A registry, a store and test rows to evaluate candidates on."""

    folder: Path
    settings: Settings
    mlflow_run: str
    report: Report

    @property
    def page(self) -> Path:
        return self.folder / "report.html"

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "evaluation.json").read_text("utf-8"))
        return found

    def evaluate(self, candidate: Path, rules: GateRules = RULES) -> Evaluation:
        return run(
            str(self.folder / "test"),
            str(candidate),
            self.mlflow_run,
            rules,
            (str(self.page), str(self.folder / "evaluation.json")),
            self.settings,
            self.report,
        )

    def promote(self, bundle: Path) -> str:
        uri = BundleStore(self.settings.bundle_store).put(bundle)
        registry = Registry(self.settings)
        registry.point(Alias.PRODUCTION, registry.register(uri, self.mlflow_run, {}).number)
        return uri


@pytest.fixture
def bench(tmp_path: Path, settings: Callable[..., Settings]) -> Bench:
    rows = random_rows(ROWS, SEED)
    write_rows(tmp_path / "test", labels(rows, SEED))
    mlflow_run = Tracking(settings()).start("test-run", synthetic=True)
    return Bench(tmp_path, settings(), mlflow_run, Report("evaluate"))


def write_rows(path: Path, readmitted: list[str], *, synthetic: bool = True) -> None:
    provenance = Provenance("synthetic:rows=600", "0" * 64, ROWS, synthetic=synthetic, batch=2)
    write_table(rows_table(random_rows(ROWS, SEED), readmitted), str(path), provenance)


def expected(bundle: Bundle) -> Metrics:
    rows = random_rows(ROWS, SEED)
    truth = np.array([label != "NO" for label in labels(rows, SEED)], dtype=np.int8)
    return measure(truth, bundle.score_rows(rows), bundle.facts.threshold)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders of bundles: two of synthetic data, one of real, one of another target."""
    root = tmp_path_factory.mktemp("bundles")
    first = tiny_bundle(root / "synthetic", SEED)
    tiny_bundle(root / "other", SEED + 1)
    for name, change in (
        ("real", {"synthetic": False}),
        ("within 30 days", {"target": "within_30_days"}),
    ):
        facts = replace(first.facts, **change)
        bundle = Bundle(first.schema, first.encoder, facts, first.model)
        write_bundle(bundle, first.golden.rows, root / name)
    return {path.name: path for path in root.iterdir()}


def test_a_first_deployment_is_measured_on_the_test_rows(
    bench: Bench, made: dict[str, Path]
) -> None:
    found = bench.evaluate(made["synthetic"])
    assert found.decision.promote
    assert found.candidate == expected(load_bundle(made["synthetic"]))
    assert (found.production, found.production_version) == (None, "")
    assert "first deployment" in found.decision.reasons[-1]
    assert np.sum(found.curves.confusion) == ROWS


def test_candidate_and_production_are_measured_on_the_same_rows_each_through_its_own_bundle(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["other"])
    found = bench.evaluate(made["synthetic"])
    assert found.candidate == expected(load_bundle(made["synthetic"]))
    assert found.production == expected(load_bundle(made["other"])) != found.candidate
    assert found.production_version == "1"


def test_a_candidate_that_equals_production_is_promoted_with_no_difference(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["synthetic"])
    found = bench.evaluate(made["synthetic"], replace(RULES, max_auc_drop=0.0))
    assert found.decision.promote
    assert found.candidate == found.production
    assert "AUC +0.0000 (95 % +0.0000 to +0.0000) against version 1" in found.decision.reasons[-1]


@pytest.mark.parametrize(
    ("production", "rules", "reason"),
    [
        ("real", RULES, "version 1 was trained on real data, the candidate on synthetic data"),
        ("within 30 days", RULES, "version 1 predicts another target"),
        ("other", replace(RULES, max_auc_drop=-0.4), "against version 1 >= +0.4000"),
        ("other", replace(RULES, min_auc=1.0), ">= floor 1.0000"),
    ],
)
def test_a_refused_candidate_is_refused_for_one_named_reason(
    bench: Bench, made: dict[str, Path], production: str, rules: GateRules, reason: str
) -> None:
    bench.promote(made[production])
    found = bench.evaluate(made["synthetic"], rules)
    assert not found.decision.promote
    (failed,) = [text for text in found.decision.reasons if text.startswith("FAILED: ")]
    assert reason in failed
    assert bench.summary["promote"] is bench.report.facts["promote"] is False


def test_a_candidate_that_is_worse_than_production_is_refused(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["synthetic"])
    found = bench.evaluate(made["other"])
    assert found.production
    assert found.candidate.auc < found.production.auc - RULES.max_auc_drop
    assert not found.decision.promote


def test_a_synthetic_candidate_replaces_a_real_production_where_that_is_allowed(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["real"])
    assert bench.evaluate(made["synthetic"], replace(RULES, allow_synthetic=True)).decision.promote


def test_the_outcome_is_written_as_json_as_facts_and_to_mlflow(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["other"])
    found = bench.evaluate(made["synthetic"])
    assert found.production
    facts = {
        "promote": True,
        "reasons": list(found.decision.reasons),
        "candidate": found.candidate.to_json(),
        "production": found.production.to_json(),
        "production_version": "1",
        "intervals": {
            name: {metric: asdict(interval) for metric, interval in side.intervals.items()}
            for name, side in (("candidate", found.new), ("production", found.old))
            if side
        },
    }
    groups = [asdict(group) for group in found.subgroups]
    assert bench.summary == {**facts, "subgroups": groups, "contributions": {}}
    assert bench.report.facts == {"report": str(bench.page), **facts}
    client = MlflowClient(bench.settings.tracking_uri)
    logged = client.get_run(bench.mlflow_run).data.metrics
    expected_metrics = found.candidate.to_json() | found.new.bounds()
    assert logged == {f"test_{name}": value for name, value in expected_metrics.items()}
    assert 0 < logged["test_auc_low"] < logged["test_auc"] < logged["test_auc_high"] <= 1
    assert [file.path for file in client.list_artifacts(bench.mlflow_run)] == ["report.html"]
    (stored,) = bench.settings.state_dir.glob("mlartifacts/**/report.html")
    assert stored.read_text("utf-8") == bench.page.read_text("utf-8")


def test_the_report_is_one_page_that_fetches_nothing_and_says_synthetic(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["other"])
    found = bench.evaluate(made["synthetic"])
    page = bench.page.read_text("utf-8")
    assert FETCHES.findall(page) == []
    assert '<span class="synthetic">synthetic data</span>' in page
    assert page.count("<svg") == page.count("</svg>") == 4
    for shown in (f"{found.candidate.auc:.3f}", "production, version 1", "no skill", "Promote"):
        assert shown in page


def test_a_report_on_real_data_does_not_say_synthetic(bench: Bench, made: dict[str, Path]) -> None:
    readmitted = labels(random_rows(ROWS, SEED), SEED)
    write_rows(bench.folder / "test", readmitted, synthetic=False)
    bench.evaluate(made["real"])
    assert "synthetic data" not in bench.page.read_text("utf-8")


def test_an_altered_production_bundle_is_an_error_and_no_first_deployment(
    bench: Bench, made: dict[str, Path]
) -> None:
    stored = local_path(bench.promote(made["other"]))
    assert stored
    (stored / "encoder.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"sha256 of encoder\.json is wrong"):
        bench.evaluate(made["synthetic"])
    assert not bench.page.exists()


def test_test_rows_of_one_label_measure_nothing_and_are_refused(
    bench: Bench, made: dict[str, Path]
) -> None:
    write_rows(bench.folder / "test", ["NO"] * ROWS)
    with pytest.raises(InputError, match="all 600 encounters have the same label"):
        bench.evaluate(made["synthetic"])


def test_production_is_measured_on_a_batch_that_needed_no_retraining(
    bench: Bench, made: dict[str, Path]
) -> None:
    bench.promote(made["other"])
    page = bench.folder / "monitor.html"
    found = monitor.run(str(bench.folder / "test"), str(page), bench.settings, bench.report)
    assert found == expected(load_bundle(made["other"]))
    assert bench.report.facts["production"] == found.to_json()
    assert bench.report.facts["production_version"] == "1"
    assert "Version 1 on batch 2" in page.read_text("utf-8")


def test_without_a_production_model_there_is_nothing_to_measure(bench: Bench) -> None:
    page = bench.folder / "monitor.html"
    with pytest.raises(InputError, match="no production model yet; run batch 0"):
        monitor.run(str(bench.folder / "test"), str(page), bench.settings, bench.report)
    assert not page.exists()
