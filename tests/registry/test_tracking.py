"""Runs are recorded on either sort of store, artifacts and all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faultproxy import Fault, FaultProxy
from mlflow import MlflowClient

from components.errors import RegistryError
from components.registry.drift_log import DriftLog, DriftRecord
from components.registry.tracking import Tracking, TrialRecord
from components.settings import Settings

Backend = Callable[..., Settings]


def test_a_run_keeps_its_trials_curves_and_files(backend: Backend, tmp_path: Path) -> None:
    settings = backend()
    tracking, report = Tracking(settings), tmp_path / "report.html"
    report.write_text("<p>AUC</p>", "utf-8")
    run = tracking.start("run-1", synthetic=True)
    trial = TrialRecord("xgboost", {"eta": 0.1}, ((1, 0.6), (2, 0.7)), 1.5, finished=True)
    tracking.log_trials(run, [trial])
    tracking.log_curve(run, "learning_curve", [(100, 0.6), (200, 0.65)])
    tracking.log_file(run, report, "report.html")
    tracking.finish("run-1", succeeded=True)

    client = MlflowClient(settings.tracking_uri)
    found = client.search_runs([client.get_run(run).info.experiment_id])
    assert sorted(r.info.status for r in found) == ["FINISHED", "FINISHED"]
    (child,) = [r for r in found if r.info.run_id != run]
    assert child.data.metrics["best_validation_auc"] == 0.7
    assert tracking.curve(run, "learning_curve") == [(100, 0.6), (200, 0.65)]
    copy = Path(client.download_artifacts(run, "report.html", str(tmp_path / "copy")))
    assert copy.read_text("utf-8") == "<p>AUC</p>"


def test_drift_records_come_back_by_batch(backend: Backend) -> None:
    log = DriftLog(backend())
    records = [DriftRecord(batch, batch > 1, 0.1 * batch, "age", batch) for batch in (1, 2)]
    for record in records:
        log.add(record, {"report.html": "<p>PSI</p>"}, source="file:///data.csv", synthetic=True)
    assert log.batches("file:///data.csv") == records
    assert log.batches("file:///other.csv") == []


def test_runs_of_a_store_that_is_down_end_in_one_line(
    server_settings: Backend, registry_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking = Tracking(server_settings(tracking_uri=registry_proxy.url))
    line = rf"^the registry {registry_proxy.url} does not answer: connection refused; run again"
    with registry_proxy.failing(Fault.REFUSE), pytest.raises(RegistryError, match=line):
        tracking.start("run-1", synthetic=True)
