"""What skaffold verify runs in the cluster, against stores on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from manifests.rendered import MANIFESTS
from mlflow import MlflowClient

from components.errors import HealthPredictError
from components.registry import MODEL
from components.settings import Settings

SCRIPT = MANIFESTS / "base/pipelines/smoke.py"

SettingsFactory = Callable[..., Settings]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("smoke", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_before_the_first_release_the_registry_is_all_that_answers(
    script: ModuleType, settings: SettingsFactory
) -> None:
    assert script.smoke(settings()) == "MLflow answers; nothing is released yet"


def test_a_version_in_production_that_does_not_serve_is_seen(
    script: ModuleType, settings: SettingsFactory, tmp_path: Path
) -> None:
    made = settings()
    client = MlflowClient(tracking_uri=made.tracking_uri, registry_uri=made.tracking_uri)
    client.create_registered_model(MODEL)
    uri = f"{made.bundle_store}/sha256-{'0' * 64}"
    version = client.create_model_version(MODEL, uri)
    client.set_registered_model_alias(MODEL, "production", version.version)
    with pytest.raises(HealthPredictError, match="in production, None serves"):
        script.smoke(made)


def test_what_is_wrong_is_said_in_one_line(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main() == 1
    assert capsys.readouterr().err.startswith("error: settings are incomplete: ")
