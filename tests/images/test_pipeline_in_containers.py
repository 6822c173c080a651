"""The whole pipeline, compiled for a cluster, with every step and every server in a container.

MLflow on PostgreSQL, the S3 server and the cluster's API are those of the other tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from backends import SettingsFactory
from builders import random_rows
from cluster_admin import SERVICE, Admin
from cluster_release import SKELETON
from container_cluster import ContainerController, Containers, Services
from containers import ROOT, built_image, docker
from fake_kubernetes import ADMIN, FakeCluster, write_kubeconfig
from s3_access import S3_KEYS

from components.deployment.kserve import NAMESPACE
from components.deployment.kserve.api import RULES
from components.images import COMPONENTS_IMAGE
from components.registry.aliases import Alias
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.settings import Settings
from pipelines import cluster
from pipelines.compile import compile_for_cluster

COHORT = "synthetic:rows=20000&seed=1"
RUN_SECONDS = 900

Maps = dict[str, dict[str, str]]

pytestmark = [pytest.mark.image, pytest.mark.timeout(2 * RUN_SECONDS)]


@dataclass(frozen=True)
class Stage:
    """A cluster's stores and API, and a folder for what runs leave."""

    settings: Settings
    admin: Admin
    containers: Containers
    image: str
    maps: Maps
    kubeconfig: str
    folder: Path

    def run(self, run_id: str, **arguments: Any) -> str:
        """Run the pipeline; return what the steps said."""
        artifacts = self.folder / run_id
        artifacts.mkdir()
        artifacts.chmod(0o777)  # the steps' user has no name here
        # The one folder that a task's container shares with this host.
        kubeconfig = artifacts / "kubeconfig"
        kubeconfig.write_text(self.kubeconfig)
        own = {"HEALTH_PREDICT_RUN_ID": run_id, "KUBECONFIG": str(kubeconfig)}
        pipeline = _compiled(self.folder, self.image, self.maps, own)
        given = {"data_uri": COHORT, "data_sha256": "", "tune_trials": 4, **arguments}
        command = [sys.executable, str(ROOT / "tests" / "in_containers.py")]
        command += [str(pipeline), str(artifacts), json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout + done.stderr


@pytest.fixture
def stage(server_settings: SettingsFactory, s3_endpoint: str, tmp_path: Path) -> Iterator[Stage]:
    components, serving = (built_image(name) for name in ("components", "serving"))
    fake = FakeCluster()
    admin = Admin(write_kubeconfig(tmp_path / "admin", fake.url, ADMIN))
    admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    admin.apply(SKELETON, "kubectl")
    settings = server_settings(deploy_target="kserve", state_dir="/tmp/health-predict")
    store = BundleStore(settings.bundle_store)
    containers = Containers(serving, store, tmp_path / "models")
    services = Services(lambda name: containers.pods[name].port)
    controller = ContainerController(admin, containers)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", fake.url, fake.account(RULES))
    maps = _config_maps(settings, services.url, s3_endpoint)
    yield Stage(
        settings, admin, containers, components, maps, kubeconfig.read_text("utf-8"), tmp_path
    )
    controller.stop()
    for name in list(containers.pods):
        containers.stop(name)
    services.stop()
    fake.stop()
    assert controller.wrong == []


def test_a_run_releases_and_the_next_goes_through_a_canary(stage: Stage) -> None:
    stage.run("run-1")
    assert _answer(stage)["model_version"] == "1"
    production = Registry(stage.settings).production()
    assert production is not None
    assert production.number == "1"

    said = stage.run("run-2", data_batch=1, drift_force=True, gate_force=True)
    assert _answer(stage)["model_version"] == "2"
    assert [pod.ready() for pod in stage.containers.pods.values()] == [True]
    found = Registry(stage.settings).by_alias(Alias.PREVIOUS)
    assert found is not None
    assert found.number == "1"
    shares = re.findall(r'"step": "promote", "phase": "progress".*"text": "(\d+) %', said)
    assert shares == ["10", "50", "100"]


def _answer(stage: Stage) -> dict[str, Any]:
    """Ask the one version that serves."""
    (pod,) = stage.containers.pods.values()
    assert stage.admin.there(SERVICE)["spec"]["predictor"]["model"]["storageUri"]
    asked = {"instances": random_rows(1, seed=3)}
    url = f"http://127.0.0.1:{pod.port}/v1/models/readmission:predict"
    answer: dict[str, Any] = httpx.post(url, json=asked).raise_for_status().json()
    assert 0 < answer["predictions"][0]["probability"] < 1
    return answer


def _config_maps(settings: Settings, services: str, s3_endpoint: str) -> Maps:
    """Return what the manifests put into the steps' namespace, with this host's places."""
    fields = ("tracking_uri", "artifact_uri", "bundle_store", "data_prefix", "deploy_target")
    given = {f"HEALTH_PREDICT_{name.upper()}": str(getattr(settings, name)) for name in fields}
    place = {"AWS_ENDPOINT_URL": s3_endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    return {
        cluster.SETTINGS: given | {"HEALTH_PREDICT_KSERVE_URL": services},
        cluster.OBJECT_STORE: place,
        cluster.STORE_SECRET: S3_KEYS,
    }


def _compiled(folder: Path, built: str, maps: Maps, own: dict[str, str]) -> Path:
    """Compile for a cluster, and give each task the environment that its pod would get there.

    The local runner reads no ConfigMap, Secret or field of a pod.
    """
    digest = docker("image", "inspect", "--format", "{{.Id}}", built).removeprefix("sha256:")
    image = f"{COMPONENTS_IMAGE}:{digest}"
    docker("tag", built, image)
    builds = folder / "build.json"
    builds.write_text(json.dumps({"builds": [{"imageName": COMPONENTS_IMAGE, "tag": image}]}))
    path = folder / "pipeline.yaml"
    compile_for_cluster(builds, path)
    pipeline, platform = yaml.safe_load_all(path.read_text("utf-8"))
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, executor in pipeline["deploymentSpec"]["executors"].items():
        added = _from_maps(pods[name], maps) | own
        env = [{"name": key, "value": value} for key, value in added.items()]
        executor["container"]["env"] += env
    path.write_text(yaml.safe_dump_all([pipeline, platform]), "utf-8")
    return path


def _from_maps(pod: Any, maps: Maps) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in ("configMap", "secret"):
        for source in pod.get(f"{kind}AsEnv", []):
            values = maps.get(source[f"{kind}Name"], {})
            keys = {one["envVar"]: one[f"{kind}Key"] for one in source["keyToEnv"]}
            assert source["optional"] or keys.keys() <= values.keys()
            found |= {name: values[key] for name, key in keys.items() if key in values}
    return found
