"""The pipeline compiles to the same YAML everywhere, and every component compiles alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler

from components.deployment.component import release
from components.drift.component import drift
from components.evaluation.component import evaluate
from components.ingest.component import ingest
from components.notify.component import notify
from components.tuning.component import train
from pipelines.cluster import for_cluster
from pipelines.compile import compile_for_cluster, compile_training
from pipelines.training import training

GOLDEN = Path(__file__).with_name("training.golden.yaml")
CLUSTER_GOLDEN = Path(__file__).with_name("cluster.golden.yaml")
BUILDS = Path(__file__).with_name("build.json")
COMPONENTS = (ingest, drift, train, evaluate, release, notify)


def _documents(path: Path) -> list[dict[str, Any]]:
    documents = list(yaml.safe_load_all(path.read_text("utf-8")))
    for document in documents:
        document.pop("sdkVersion", None)
    return documents


def test_the_compiled_pipeline_is_the_committed_one(tmp_path: Path) -> None:
    compile_training(tmp_path / "training.yaml")
    assert _documents(tmp_path / "training.yaml") == _documents(GOLDEN), (
        f"the pipeline changed; when that is meant: health-predict compile --local -o {GOLDEN}"
    )


def test_the_form_for_a_cluster_is_the_committed_one(tmp_path: Path) -> None:
    compile_for_cluster(BUILDS, tmp_path / "cluster.yaml")
    assert _documents(tmp_path / "cluster.yaml") == _documents(CLUSTER_GOLDEN), (
        "the pipeline changed; when that is meant: "
        f"health-predict compile --images {BUILDS} -o {CLUSTER_GOLDEN}"
    )


def test_both_forms_have_the_same_tasks_with_the_same_inputs() -> None:
    (local,), (cluster, _) = _documents(GOLDEN), _documents(CLUSTER_GOLDEN)
    for spec in (local, cluster):
        spec["pipelineInfo"].pop("description")
        spec.pop("deploymentSpec")
        for part in [spec["root"], *spec["components"].values()]:
            for task in part.get("dag", {}).get("tasks", {}).values():
                task.pop("retryPolicy", None)
    assert local == cluster


def test_the_compiled_pipeline_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    for seed in ("0", "1"):
        code = "import sys; from pathlib import Path; from pipelines.compile import "
        code += "compile_training; compile_training(Path(sys.argv[1]))"
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / f"{seed}.yaml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
    assert (tmp_path / "0.yaml").read_bytes() == (tmp_path / "1.yaml").read_bytes()


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_every_component_compiles_and_says_what_it_does(component: Any, tmp_path: Path) -> None:
    target = tmp_path / "component.yaml"
    compiler.Compiler().compile(component, str(target))
    assert component.description
    assert "pip install" not in target.read_text("utf-8")


def test_no_task_is_cached() -> None:
    (document, *_) = _documents(GOLDEN)
    tasks = {
        name: task
        for part in [document["root"], *document["components"].values()]
        for name, task in part.get("dag", {}).get("tasks", {}).items()
    }
    steps = {component.name for component in COMPONENTS}
    assert steps <= set(tasks)
    assert {name for name in steps if tasks[name]["cachingOptions"]} == set()


def test_every_parameter_is_explained_in_the_pipelines_description() -> None:
    (document, *_) = _documents(GOLDEN)
    parameters = document["root"]["inputDefinitions"]["parameters"]
    assert {name for name, given in parameters.items() if not given.get("description")} == set()


def test_the_dashboard_shows_a_clusters_parameters_explained_by_prefix() -> None:
    description = for_cluster(training, "image").description
    names = list(training.component_spec.inputs)
    assert [name for name in names if f"- `{name}` (" not in description] == []
    headings = re.findall(r"^\*\*(\w+)\*\*$", description, re.MULTILINE)
    assert headings == ["data", "target", "drift", "features", "tune", "gate", "deploy"]
    assert "- `data_batch` (0): 0 for the initial training, or" in description


def test_a_run_that_trains_leaves_every_kind_of_artifact_that_the_dashboard_draws() -> None:
    (document,) = _documents(GOLDEN)
    shown: dict[str, set[str]] = {}
    for name, component in document["components"].items():
        outputs = component.get("outputDefinitions", {}).get("artifacts", {})
        for artifact in outputs.values():
            kind = artifact["artifactType"]["schemaTitle"].removeprefix("system.")
            shown.setdefault(kind, set()).add(name.removeprefix("comp-"))
    assert shown["Metrics"] == {"drift", "evaluate"}
    assert shown["ClassificationMetrics"] == {"evaluate"}
    assert shown["HTML"] == {"ingest", "drift", "evaluate"}
    assert shown["Markdown"] == {"train"}
