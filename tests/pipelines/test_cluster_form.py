"""The pipeline as a cluster runs it: pinned images, pods, resources, settings, secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import InputError
from components.settings import Settings
from pipelines.cluster import NOTIFY_SECRET, PODS, SETTINGS, STORE_SECRET
from pipelines.compile import compile_for_cluster
from pipelines.pods import pods
from pipelines.training import training

DIGEST = "a" * 64
MOST_PODS = 16


def _builds(path: Path, *tags: str) -> Path:
    builds = [{"imageName": "health-predict-components", "tag": tag} for tag in tags]
    path.write_text(json.dumps({"builds": builds}), "utf-8")
    return path


def _tasks(spec: dict[str, Any]) -> dict[str, Any]:
    parts = [spec["root"], *spec["components"].values()]
    return {n: task for part in parts for n, task in part.get("dag", {}).get("tasks", {}).items()}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("cluster")
    images = _builds(folder / "build.json", f"health-predict-components:1@sha256:{DIGEST}")
    compile_for_cluster(images, folder / "pipeline.yaml")
    spec, platform = yaml.safe_load_all((folder / "pipeline.yaml").read_text("utf-8"))
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_a_run_takes_no_more_pods_than_the_machine_has_room_for() -> None:
    assert pods(training.pipeline_spec) <= MOST_PODS


def test_every_task_runs_the_pinned_image_within_limits(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    executors = documents[0]["deploymentSpec"]["executors"]
    assert {name.removeprefix("exec-") for name in executors} == set(PODS)
    for executor in executors.values():
        container = executor["container"]
        assert container["image"].endswith(f"@sha256:{DIGEST}")
        assert {"resourceCpuLimit", "resourceMemoryLimit"} <= set(container["resources"])
        resources = container["resources"]
        assert resources["resourceMemoryLimit"] == resources["resourceMemoryRequest"]


def test_the_settings_come_from_the_config_map_and_the_run_from_the_pod(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    required = {name for name, field in Settings.model_fields.items() if field.is_required()}
    for executor in documents[1].values():
        maps = [m for m in executor["configMapAsEnv"] if m["configMapName"] == SETTINGS]
        given = {pair["envVar"] for found in maps for pair in found["keyToEnv"]}
        given |= {field["name"] for field in executor["fieldPathAsEnv"]}
        own = {"HEALTH_PREDICT_STATE_DIR"}
        assert {f"HEALTH_PREDICT_{name.upper()}" for name in required} <= given | own


def test_a_task_gets_no_secret_that_it_does_not_need(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for name, executor in documents[1].items():
        task = name.removeprefix("exec-")
        wanted = {STORE_SECRET} if PODS[task].store else set()
        wanted |= {NOTIFY_SECRET} if task == "notify" else set()
        assert {secret["secretName"] for secret in executor.get("secretAsEnv", [])} == wanted


def test_what_may_be_done_again_is_tried_again_and_the_exit_handler_is_not(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    tries = {
        name: int(task.get("retryPolicy", {}).get("maxRetryCount", 0))
        for name, task in _tasks(documents[0]).items()
    }
    assert {name: tries[name] for name in PODS} == {n: pod.retries for n, pod in PODS.items()}
    assert tries["notify"] == 0


def test_the_time_for_retries_outlasts_every_attempt(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Argo counts it from the start of the first attempt; after it, nothing is tried again."""
    tasks = _tasks(documents[0])
    for name, pod in PODS.items():
        if pod.retries:
            most = int(tasks[name]["retryPolicy"]["backoffMaxDuration"].removesuffix("s"))
            assert most > (pod.retries + 1) * pod.minutes * 60
            timeout = documents[1][f"exec-{name}"]["activeDeadlineSeconds"]
            assert int(timeout) == pod.minutes * 60


def test_a_search_has_its_memory_to_share_and_its_cores_told(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for name, executor in documents[1].items():
        in_memory = [m for m in executor["emptyDirMounts"] if m.get("medium") == "Memory"]
        assert [mount["mountPath"] for mount in in_memory] == ["/dev/shm"] * (name == "exec-train")
    container = documents[0]["deploymentSpec"]["executors"]["exec-train"]["container"]
    given = {pair["name"]: pair["value"] for pair in container["env"]}
    limit = container["resources"]["resourceCpuLimit"]
    assert given["HEALTH_PREDICT_TUNE_CPUS"] == given["OMP_NUM_THREADS"] == limit


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (("health-predict-components:latest",), "is not pinned"),
        (("health-predict-components:v1.2",), "is not pinned"),
        ((), "names 0 images"),
        ((f"a@sha256:{DIGEST}", f"b@sha256:{DIGEST}"), "names 2 images"),
    ],
)
def test_an_image_that_may_become_another_is_refused(
    tmp_path: Path, tags: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        compile_for_cluster(_builds(tmp_path / "build.json", *tags), tmp_path / "pipeline.yaml")
    assert not (tmp_path / "pipeline.yaml").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"builds": [{"tag": 1}]}'])
def test_a_file_that_skaffold_did_not_write_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "build.json"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match="skaffold build --file-output"):
        compile_for_cluster(path, tmp_path / "pipeline.yaml")
    with pytest.raises(InputError, match="No such file"):
        compile_for_cluster(tmp_path / "absent.json", tmp_path / "pipeline.yaml")
