"""What the tests release, and what they see of it."""

from __future__ import annotations

import hashlib
import time

from cluster_admin import DEPLOYMENTS, SERVICE, Admin, Body

from components.deployment.kserve import NAMESPACE
from components.deployment.kserve.target import KServeTarget
from components.deployment.target import Revision
from components.registry import MODEL

TIMEOUT_S = 20.0
"""Seconds until a canary must be ready."""
SKELETON: Body = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {
        "name": MODEL,
        "namespace": NAMESPACE,
        "annotations": {
            "serving.kserve.io/deploymentMode": "Standard",
            "serving.kserve.io/autoscalerClass": "none",
        },
    },
    "spec": {
        "predictor": {
            "minReplicas": 2,
            "model": {"modelFormat": {"name": MODEL}, "runtime": MODEL},
        }
    },
}
"""What the manifests hold: everything but a model."""


def revision(number: int, run: str = "run-1", bundle: str = "") -> Revision:
    """Return a revision whose bundle is another for each version."""
    digest = hashlib.sha256((bundle or str(number)).encode()).hexdigest()
    return Revision(str(number), f"s3://bundles/sha256-{digest}", run)


def release(target: KServeTarget, number: int) -> None:
    """Take a version through a whole release."""
    target.deploy(revision(number), TIMEOUT_S)
    target.shift(str(number), 100)
    target.finish(str(number))


def spec(admin: Admin) -> Body:
    """Return the InferenceService's spec."""
    found: Body = admin.there(SERVICE)["spec"]
    return found


def deployment(admin: Admin, name: str) -> Body:
    """Return a predictor's Deployment."""
    return admin.there(f"{DEPLOYMENTS}/{MODEL}-{name}-predictor")


def wait_until_gone(admin: Admin, name: str) -> None:
    """Wait until KServe has deleted a predictor's Deployment."""
    end = time.monotonic() + TIMEOUT_S
    while admin.get(f"{DEPLOYMENTS}/{MODEL}-{name}-predictor"):
        assert time.monotonic() < end
        time.sleep(0.02)
