"""A run of the published pipeline, where Kubeflow Pipelines and KServe are installed.

Its gate cannot be passed, so that it trains and judges a model and releases none.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not os.environ.get("CLUSTER_TESTS_REQUIRED"),
        reason="CLUSTER_TESTS_REQUIRED is not set: make test-cluster",
    ),
]

INSTALLED = (
    ("kubeflow", "deployment/ml-pipeline"),
    ("kserve", "deployment/kserve-controller-manager"),
    ("serving", "inferenceservice/readmission"),
)
SMALL = (
    "data_uri=synthetic:rows=20000&seed=1", "drift_force=true", "tune_trials=3",
    "gate_min_auc=0.99",
)  # fmt: skip
_FORWARDED = re.compile(r"Forwarding from (127\.0\.0\.1:\d+)")


def test_a_run_ends_well_and_a_refused_candidate_changes_nothing() -> None:
    for namespace, what in INSTALLED:
        if kubectl("-n", namespace, "get", what).returncode:
            pytest.skip(f"{namespace} has no {what}: cluster/bootstrap/install.sh installs it")
    before = _served()
    with _forwarded("kubeflow", "svc/ml-pipeline", 8888) as host:
        command = [str(Path(sys.executable).with_name("health-predict")), "submit", "--wait"]
        command += ["--host", host, "--output", "json"]
        command += [part for param in SMALL for part in ("--param", param)]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "SUCCEEDED"
    assert _served() == before


def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], capture_output=True, text=True, timeout=60)


def _served() -> str:
    found = kubectl(
        "-n", "serving", "get", "inferenceservice/readmission", "-o", "jsonpath={.spec}"
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@contextmanager
def _forwarded(namespace: str, what: str, port: int) -> Iterator[str]:
    """Forward a free port of loopback, and yield its URL."""
    command = ["kubectl", "-n", namespace, "port-forward", "--address", "127.0.0.1", what]
    with subprocess.Popen([*command, f":{port}"], stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            found = _FORWARDED.match(line := forward.stdout.readline())
            assert found, f"{what} cannot be forwarded: {line}"
            yield f"http://{found[1]}"
        finally:
            forward.terminate()
