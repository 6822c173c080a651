from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from components.errors import InputError
from components.settings import load_settings

GIVEN = {
    "TRACKING_URI": "sqlite:////state/mlflow.db",
    "ARTIFACT_URI": "file:///state/mlartifacts",
    "BUNDLE_STORE": "s3://models/bundles",
    "DATA_PREFIX": "s3://data/diabetes",
    "STATE_DIR": "/state",
    "DEPLOY_TARGET": "kserve",
    "RUN_ID": "run-20240101-000000-ab12",
}


def give(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in {**GIVEN, **changes}.items():
        if value is None:
            monkeypatch.delenv(f"HEALTH_PREDICT_{name}", raising=False)
        else:
            monkeypatch.setenv(f"HEALTH_PREDICT_{name}", value)


def refusal() -> str:
    with pytest.raises(InputError) as refused:
        load_settings()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, MIN_FREE_MB="9", UNKNOWN="x")
    found = load_settings()
    assert found.bundle_store == "s3://models/bundles"
    assert found.state_dir == Path("/state")
    assert found.min_free_mb == 9
    assert found.deploy_port == 0


def test_a_missing_value_and_a_uri_without_scheme_are_named_in_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, STATE_DIR=None, BUNDLE_STORE="models/bundles")
    message = refusal()
    assert "HEALTH_PREDICT_STATE_DIR: Field required" in message
    assert "HEALTH_PREDICT_BUNDLE_STORE: " in message
    assert "'models/bundles' has no scheme; write it as file:///" in message
    assert "HEALTH_PREDICT_RUN_ID" not in message


def test_every_missing_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, **dict.fromkeys(GIVEN))
    message = refusal()
    assert [name for name in GIVEN if f"HEALTH_PREDICT_{name}: " not in message] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUN_ID", "Run 1"),
        ("RUN_ID", "../run"),
        ("RUN_ID", ""),
        ("MIN_FREE_MB", "-1"),
        ("MIN_FREE_MB", "much"),
        ("DEPLOY_PORT", "70000"),
        ("TUNE_CPUS", "-1"),
        ("TRACKING_URI", ""),
        ("TRACKING_URI", "/state/mlflow.db"),
    ],
)
def test_a_malformed_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    give(monkeypatch, **{name: value})
    assert f"HEALTH_PREDICT_{name}: " in refusal()


def test_settings_do_not_change_while_a_step_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)
    found = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        found.run_id = "another"
