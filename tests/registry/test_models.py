from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from builders import tiny_bundle
from mlflow.exceptions import MlflowException

from components.errors import HealthPredictError
from components.events import Report
from components.registry import step
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore
from components.registry.tracking import Tracking
from components.settings import Settings

BUNDLE = f"file:///bundles/sha256-{'0' * 64}"


@pytest.fixture
def registry(settings: Callable[..., Settings]) -> Registry:
    return Registry(settings())


@pytest.fixture
def run(settings: Callable[..., Settings]) -> str:
    return Tracking(settings()).start("test-run", synthetic=True)


def test_an_empty_registry_has_no_production_version(registry: Registry) -> None:
    assert registry.production() is None
    assert registry.by_alias(Alias.CANDIDATE) is None


def test_a_registered_version_is_the_candidate_and_not_production(
    registry: Registry, run: str
) -> None:
    made = registry.register(BUNDLE, run, {"family": "xgboost", "batch": "0"})
    assert made.number == "1"
    assert made.bundle_uri == BUNDLE
    assert registry.by_alias(Alias.CANDIDATE) == made
    assert registry.version("1") == made
    assert registry.production() is None


def test_each_bundle_gets_a_version_of_its_own_and_the_newest_is_the_candidate(
    registry: Registry, run: str
) -> None:
    numbers = [registry.register(f"{BUNDLE}{n}", run, {"n": str(n)}).number for n in range(3)]
    assert numbers == ["1", "2", "3"]
    candidate = registry.by_alias(Alias.CANDIDATE)
    assert candidate == registry.version("3")
    assert registry.version("1").bundle_uri == f"{BUNDLE}0"


def test_aliases_move_between_versions(registry: Registry, run: str) -> None:
    first, second = (registry.register(f"{BUNDLE}{n}", run, {}) for n in range(2))
    registry.point(Alias.PRODUCTION, first.number)
    assert registry.production() == first
    registry.point(Alias.PREVIOUS, first.number)
    registry.point(Alias.PRODUCTION, second.number)
    assert registry.production() == second
    assert registry.by_alias(Alias.PREVIOUS) == first
    registry.clear(Alias.CANDIDATE)
    assert registry.by_alias(Alias.CANDIDATE) is None
    assert registry.version(second.number) == second


def test_a_fact_is_recorded_on_one_version(registry: Registry, run: str) -> None:
    first, second = (registry.register(f"{BUNDLE}{n}", run, {"n": str(n)}) for n in range(2))
    registry.tag(first.number, "outcome", "rolled back")
    assert registry.version(first.number).tags == {"n": "0", "outcome": "rolled back"}
    assert registry.version(second.number).tags == {"n": "1"}


@pytest.mark.parametrize("number", ["7", "seven"])
def test_a_version_that_does_not_exist_is_an_error(
    registry: Registry, run: str, number: str
) -> None:
    registry.register(BUNDLE, run, {})
    with pytest.raises(HealthPredictError, match=f"version {number} of 'readmission'"):
        registry.version(number)


def test_a_registry_out_of_reach_is_an_error_and_not_an_empty_one(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    unreachable = Registry(settings(tracking_uri=f"http://127.0.0.1:{port}"))
    with pytest.raises(MlflowException, match=str(port)):
        unreachable.production()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
@pytest.mark.parametrize("body", [b"<html>no</html>", b'{"detail": "no"}'])
def test_a_web_server_that_is_no_registry_is_an_error_and_not_an_empty_one(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the requests out of the tests' output."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            registry = Registry(settings(tracking_uri=f"http://127.0.0.1:{server.server_port}"))
            with pytest.raises(MlflowException):
                registry.production()
        finally:
            server.shutdown()
            thread.join()


def test_a_damaged_database_is_an_error_and_not_an_empty_registry(
    settings: Callable[..., Settings],
) -> None:
    path = settings().state_dir / "damaged.db"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(Exception, match="file is not a database"):
        Registry(settings(tracking_uri=f"sqlite:///{path}")).production()
    assert path.read_bytes() == b"no database" * 500


def test_registering_a_candidate_stores_its_bundle_and_records_its_facts(
    settings: Callable[..., Settings], run: str, tmp_path: Path
) -> None:
    bundle, evaluation = tiny_bundle(tmp_path / "candidate"), tmp_path / "evaluation.json"
    evaluation.write_text('{"reasons": ["ok: AUC", "ok: Brier"], "candidate": {"auc": 0.7}}')
    folder, report = str(tmp_path / "candidate"), Report("register")
    number = step.run(folder, run, str(evaluation), settings(), report)
    version = Registry(settings()).by_alias(Alias.CANDIDATE)
    assert version
    assert version.number == number == report.facts["version"]
    assert version.bundle_uri == report.facts["bundle_uri"]
    assert BundleStore(settings().bundle_store).get(version.bundle_uri).facts == bundle.facts
    assert version.tags["bundle"] == bundle.digest
    assert version.tags["reasons"] == "ok: AUC; ok: Brier"
    assert version.tags["metric.auc"] == "0.700000"
    assert version.tags["synthetic"] == "true"
    assert Registry(settings()).production() is None
