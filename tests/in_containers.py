"""Run a compiled pipeline with Docker: ``python in_containers.py PIPELINE FOLDER ARGUMENTS``.

Each task is a container as its pod is on a cluster: not root, no right, no write outside its own
``/tmp`` and KFP's folder of artifacts, and no more memory and cores. It is a process of its own, as
KFP's runner is one for the whole process.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

from kfp import components, local
from kfp.local import docker_task_handler

from pipelines.cluster import PODS

SEALED = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=1g", "/tmp/health-predict": "size=2g,mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "shm_size": "1g",
    # The stores of the tests are on this host.
    "network_mode": "host",
    "remove": True,
}
_run = docker_task_handler.run_docker_container


def _run_as_pod(*, command: list[str], **options: Any) -> int:
    """Run a task's container within its pod's limits, which KFP's runner has no word for."""
    pod = PODS[command[command.index("--function_to_execute") + 1]]
    limits = {
        "mem_limit": pod.memory.removesuffix("i").lower(),
        "nano_cpus": min(pod.cpu[1], os.cpu_count() or 1) * 10**9,
    }
    status: int = _run(command=command, **options, **limits)
    return status


def main(pipeline: str, folder: str, arguments: str) -> None:
    """Run it to its end; a step that fails ends the process with an error."""
    warnings.filterwarnings("ignore")
    docker_task_handler.run_docker_container = _run_as_pod
    local.init(local.DockerRunner(**SEALED), pipeline_root=folder, raise_on_error=True)
    components.load_component_from_file(pipeline)(**json.loads(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
