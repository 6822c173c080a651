"""How the pipeline's tasks run as pods: image, resources, environment, secrets, retries.

The flow is defined once, for a laptop and for a cluster; this module adds to its tasks what only a
cluster knows. The local runner gets none of it: it would retry a file that it refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl.graph_component import GraphComponent
from kfp.dsl.pipeline_context import Pipeline

from components.settings import Settings
from pipelines.description import describe
from pipelines.state import LIBRARIES, PREFIX

SERVICE_ACCOUNT = "readmission-pipeline"
SETTINGS = "health-predict-settings"
"""ConfigMap with the fields of components/settings.py, as their environment variables."""
OBJECT_STORE = "health-predict-object-store"
"""ConfigMap that says where S3 is; without it, or without the endpoint, at AWS."""
STORE_SECRET = "health-predict-store"
NOTIFY_SECRET = "health-predict-notify"

STATE_DIR = "/tmp/health-predict"
LABEL = ("app.kubernetes.io/part-of", "health-predict")
"""By which NetworkPolicies find the steps' pods."""

_RUN_ID = "metadata.labels['pipeline/runid']"
_PLACES = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_GIVEN_HERE = frozenset({"state_dir", "run_id", "deploy_port", "tune_cpus", "notify_webhook"})
_BACKOFF_S, _BACKOFF_FACTOR = 30, 2


@dataclass(frozen=True, slots=True)
class Pod:
    """What a task's pod asks for.

    Attributes:
        cpu: cores that it is promised, and the most that it may use.
        memory: promised and most alike, so that no neighbour's need ends the step.
        disk: most that its state folder and its temporary files may take.
        minutes: most that one attempt may take.
        retries: after an attempt that failed; the tasks that have them may be done again.
        store: whether it reads the data or the bundle store, and gets their keys.
        shared_memory: size of /dev/shm, which counts as memory; empty for Docker's 64 MiB.
    """

    cpu: tuple[str, int]
    memory: str
    disk: str
    minutes: int
    retries: int = 2
    store: bool = False
    shared_memory: str = ""


# A step's imports take 0.2 to 0.45 GiB, ten million rows 0.8 GiB in ingest, and a search on 100,000
# rows 1.7 GiB with two trials at once. Ray's object store takes twice the encoded rows of /dev/shm.
# The cores that are promised are few, for all of it to find room on four; a step may use more while
# nobody else does, and the model servers come before it.
PODS: Mapping[str, Pod] = {
    "ingest": Pod(("200m", 2), "2Gi", "20Gi", 60, store=True),
    "drift": Pod(("200m", 2), "2Gi", "2Gi", 30, store=True),
    "train": Pod(("400m", 4), "4Gi", "10Gi", 240, shared_memory="1Gi"),
    "evaluate": Pod(("200m", 2), "2Gi", "2Gi", 60, store=True),
    "release": Pod(("200m", 1), "1Gi", "2Gi", 60, store=True),
    "notify": Pod(("100m", 1), "512Mi", "256Mi", 10, retries=0),
}


def for_cluster(pipeline: GraphComponent, image: str) -> GraphComponent:
    """Return the same pipeline with all that its tasks need on a cluster.

    Args:
        pipeline: made by ``@dsl.pipeline``.
        image: pinned reference of the image that every task runs in.

    Raises:
        KeyError: a task has no entry in ``PODS``.
    """
    flow = pipeline.pipeline_func

    @wraps(flow)
    def on_cluster(*arguments: Any, **named: Any) -> None:
        flow(*arguments, **named)
        for task in Pipeline.get_default_pipeline().tasks.values():
            _configure(task, PODS[task.component_spec.name], image)

    description = describe(pipeline)
    made: GraphComponent = dsl.pipeline(name=pipeline.name, description=description)(on_cluster)
    return made


def _configure(task: dsl.PipelineTask, pod: Pod, image: str) -> None:
    request, limit = pod.cpu
    task.set_container_image(image).set_cpu_request(request).set_cpu_limit(str(limit))
    task.set_memory_request(pod.memory).set_memory_limit(pod.memory)
    # An image that was built into the cluster's own Docker cannot be pulled.
    kubernetes.set_image_pull_policy(task, "IfNotPresent")
    kubernetes.set_timeout(task, pod.minutes * 60)
    kubernetes.add_pod_label(task, *LABEL)
    kubernetes.add_pod_label(task, "app.kubernetes.io/component", task.component_spec.name)
    _set_retries(task, pod)
    _set_environment(task, pod)
    _add_folders(task, pod)
    _add_secrets(task, pod)


def _set_retries(task: dsl.PipelineTask, pod: Pod) -> None:
    if not pod.retries:
        return
    waits = sum(_BACKOFF_S * _BACKOFF_FACTOR**n for n in range(pod.retries))
    # Argo counts the longest duration from the start of the first attempt, not of the waiting.
    most = (pod.retries + 1) * pod.minutes * 60 + waits
    task.set_retry(pod.retries, f"{_BACKOFF_S}s", float(_BACKOFF_FACTOR), f"{most}s")


def _set_environment(task: dsl.PipelineTask, pod: Pod) -> None:
    # A limit of cores is not seen by OpenMP and Ray, which count the node's.
    cores = {"OMP_NUM_THREADS": str(pod.cpu[1]), f"{PREFIX}TUNE_CPUS": str(pod.cpu[1])}
    folders = {f"{PREFIX}STATE_DIR": STATE_DIR, "TMPDIR": STATE_DIR}
    for name, value in {**LIBRARIES, **cores, **folders}.items():
        task.set_env_variable(name, value)
    kubernetes.use_field_path_as_env(task, f"{PREFIX}RUN_ID", _RUN_ID)
    fields = {n: f.is_required() for n, f in Settings.model_fields.items() if n not in _GIVEN_HERE}
    for required in (True, False):
        keys = [f"{PREFIX}{n.upper()}" for n, needed in fields.items() if needed is required]
        kubernetes.use_config_map_as_env(
            task, SETTINGS, {key: key for key in keys}, optional=not required
        )


def _add_folders(task: dsl.PipelineTask, pod: Pod) -> None:
    kubernetes.empty_dir_mount(task, "state", STATE_DIR, size_limit=pod.disk)
    if pod.shared_memory:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", "Memory", pod.shared_memory)


def _add_secrets(task: dsl.PipelineTask, pod: Pod) -> None:
    if pod.store:
        kubernetes.use_config_map_as_env(
            task, OBJECT_STORE, {key: key for key in _PLACES}, optional=True
        )
        # Optional: in the cloud the service account's role stands for the keys.
        kubernetes.use_secret_as_env(task, STORE_SECRET, {key: key for key in _KEYS}, optional=True)
    if task.component_spec.name == "notify":
        webhook = {"webhook": f"{PREFIX}NOTIFY_WEBHOOK"}
        kubernetes.use_secret_as_env(task, NOTIFY_SECRET, webhook, optional=True)
