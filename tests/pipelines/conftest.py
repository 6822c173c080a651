"""The command line in this process, and a fake of Kubeflow Pipelines for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from calling import Call, Done
from fake_kubeflow import FakeKubeflow, fake_kubeflow

from pipelines.cli import main
from pipelines.cli.kubeflow import PIPELINE

BUILDS = Path(__file__).with_name("build.json")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    for name in ("HEALTH_PREDICT_KFP_HOST", "HEALTH_PREDICT_KFP_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["health-predict", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a pipeline that was compiled for a cluster."""
    from pipelines.compile import compile_for_cluster

    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compile_for_cluster(BUILDS, path)
    return path


@pytest.fixture
def kubeflow() -> Iterator[FakeKubeflow]:
    """Serve a fake that holds nothing."""
    with fake_kubeflow() as fake:
        yield fake


@pytest.fixture(scope="session")
def content(package: Path) -> dict[str, Any]:
    """Return what the package holds, as the API tells of a version."""
    spec, platform = yaml.load_all(package.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return {"pipeline_spec": spec, "platform_spec": platform}


@pytest.fixture
def published(kubeflow: FakeKubeflow, content: dict[str, Any]) -> FakeKubeflow:
    """Return a fake that holds one version of the pipeline."""
    kubeflow.hold(PIPELINE, f"{PIPELINE}-1", content)
    return kubeflow
