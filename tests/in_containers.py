"""Run a compiled pipeline with Docker: ``python in_containers.py PIPELINE FOLDER ARGUMENTS``.

Each task is a container as its pod is on a cluster: not root, no right, no write outside its own
``/tmp`` and KFP's folder of artifacts. It is a process of its own, as KFP's runner is one for the
whole process.
"""

from __future__ import annotations

import json
import sys
import warnings

from kfp import components, local

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


def main(pipeline: str, folder: str, arguments: str) -> None:
    """Run it to its end; a step that fails ends the process with an error."""
    warnings.filterwarnings("ignore")
    runner = local.DockerRunner(**SEALED)
    local.init(runner, pipeline_root=folder, raise_on_error=True)
    components.load_component_from_file(pipeline)(**json.loads(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
