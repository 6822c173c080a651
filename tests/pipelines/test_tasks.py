"""The tasks that run several steps: each step is told by its name, and all may be done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import tiny_bundle
from kfp import dsl

from components.deployment.component import release
from components.deployment.local.endpoint import EndpointFile
from components.deployment.local.target import LocalTarget
from components.drift.component import drift
from components.events import EVENTS_FILE
from components.ingest.component import ingest
from components.registry.models import Alias, Registry
from components.settings import Settings
from pipelines.results import read_events

EVALUATED = {
    "promote": True,
    "forced": False,
    "reasons": ["ok: a test"],
    "candidate": {"auc": 0.7},
    "production": None,
    "production_version": "",
}
LINES = {"threshold": 0.2, "max_shift": 0.15, "classifier_auc": 0.65, "max_auc_drop": 0.03}
LIFTED = {"threshold": 99.0, "max_shift": 99.0, "classifier_auc": 1.0, "max_auc_drop": 1.0}
TABLES = ("reference", "newest", "train", "validation", "test", "quarantine")


@pytest.fixture
def own(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Give the tasks their settings as a pod's environment does; stop what they started."""
    made = settings()
    for name in Settings.model_fields:
        if (value := getattr(made, name)) not in (None, ""):
            monkeypatch.setenv(f"HEALTH_PREDICT_{name.upper()}", str(value))
    monkeypatch.setenv(EVENTS_FILE, str(tmp_path / "events.jsonl"))
    yield made
    LocalTarget(made).stop()


def _told(folder: Path) -> list[tuple[str, str]]:
    path = folder / "events.jsonl"
    events = [(e["step"], e["phase"]) for e in read_events(path) if e["phase"] != "progress"]
    path.unlink()
    return events


def _release(folder: Path, **changes: Any) -> str:
    if not (folder / "bundle").exists():
        tiny_bundle(folder / "bundle")
    (folder / "evaluation.json").write_text(json.dumps(EVALUATED), "utf-8")
    arguments: dict[str, Any] = {
        "canary_steps": "50,100",
        "step_seconds": 0.2,
        "timeout_s": 60.0,
        "requests": 20,
        "max_p95_ms": 1000.0,
        **changes,
    }
    version: str = release.python_func(
        candidate=dsl.Model(uri=str(folder / "bundle")),
        mlflow_run="",
        evaluation=dsl.Artifact(uri=str(folder / "evaluation.json")),
        **arguments,
    )
    return version


def test_a_release_that_is_done_again_ends_in_the_same_state(own: Settings, tmp_path: Path) -> None:
    assert _release(tmp_path) == "1"
    steps = ("register", "deploy", "verify", "promote")
    wanted = [(step, phase) for step in steps for phase in ("start", "done")]
    assert _told(tmp_path) == wanted
    before = EndpointFile(own.state_dir).read()
    assert before
    assert _release(tmp_path) == "1"
    assert _told(tmp_path) == wanted
    after = EndpointFile(own.state_dir).read()
    assert after
    assert (after.stable, after.canary, after.url) == (before.stable, None, before.url)
    production = Registry(own).production()
    assert production
    assert production.number == "1"


def test_a_release_with_a_bad_rollout_registers_nothing(own: Settings, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="register: deploy_canary_steps '50,10'"):
        _release(tmp_path, canary_steps="50,10")
    assert _told(tmp_path) == [("register", "start"), ("register", "failed")]
    assert Registry(own).by_alias(Alias.CANDIDATE) is None


class Watched:
    """What the drift task left of a batch of the synthetic cohort."""

    def __init__(self, folder: Path, batch: int, lines: dict[str, float]) -> None:
        folder.mkdir()
        paths = {name: str(folder / name) for name in (*TABLES, "quality")}
        ingest.python_func(
            uri="synthetic:rows=3000&seed=4",
            sha256="",
            batch=batch,
            max_quarantine=0.01,
            quality=dsl.HTML(uri=paths["quality"]),
            **{name: dsl.Dataset(uri=paths[name]) for name in TABLES},
        )
        self.metrics = dsl.Metrics(uri=str(folder / "metrics"))
        self._pages = {name: folder / f"{name}.html" for name in ("page", "production")}
        inputs = ("reference", "train", "validation", "newest")
        self.retrain = drift.python_func(
            **{name: dsl.Dataset(uri=paths[name]) for name in inputs},
            **lines,
            force=False,
            summary=dsl.Artifact(uri=str(folder / "summary")),
            metrics=self.metrics,
            **{name: dsl.HTML(uri=str(path)) for name, path in self._pages.items()},
        )

    def page(self, name: str) -> str:
        return self._pages[name].read_text("utf-8")


def test_a_batch_that_asks_for_training_says_why_production_was_not_scored(
    own: Settings, tmp_path: Path
) -> None:
    watched = Watched(tmp_path / "first", 0, LINES)
    assert watched.retrain is True
    assert _told(tmp_path)[2:] == [("drift", "start"), ("drift", "done")]
    assert "Not scored" in watched.page("production")
    assert "initial training" in watched.page("production")
    assert watched.metrics.metadata["drifted_columns"] == 0


def test_a_batch_that_asks_for_no_training_has_production_scored_in_the_same_task(
    own: Settings, tmp_path: Path
) -> None:
    _release(tmp_path)
    _told(tmp_path)
    watched = Watched(tmp_path / "second", 2, LIFTED)
    assert watched.retrain is False
    told = _told(tmp_path)[2:]
    steps = ("drift", "score production")
    assert told == [(step, phase) for step in steps for phase in ("start", "done")]
    assert "Version 1 on batch 2" in watched.page("production")
    found = watched.metrics.metadata
    assert {"largest_psi", "classifier_auc", "production_auc", "production_brier"} <= set(found)
    assert found["production_auc"] == pytest.approx(0.5, abs=0.2)
