"""Whether a predictor's pods run what they are to run, and why they do not.

Neither the InferenceService's ``Ready``, which stays true during a rollout, nor its
``observedGeneration``, which is a child's, says it: the Deployment and its pods do.
"""

from __future__ import annotations

from components.deployment.kserve.api import Api
from components.deployment.kserve.live import Live, Predictor
from components.deployment.kserve.manifest import RUN_ID, VERSION, Body
from components.deployment.target import Revision
from components.errors import one_line
from components.registry import MODEL

SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
"""KServe's annotation of a pod that names what its init container fetches."""
_FATAL = (
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull",
    "ImageInspectError", "ImagePullBackOff", "InvalidImageName", "RunContainerError",
)  # fmt: skip
_BAD = ("ReplicaFailure", "Stopped")
"""Conditions that are to be false."""
_NEWEST = 3


def service_of(predictor: Predictor) -> str:
    """Return the name of a predictor's Deployment and of its Service."""
    return "-".join(part for part in (MODEL, predictor.name, "predictor") if part)


def is_complete(deployment: Body, predictor: Predictor, replicas: int) -> bool:
    """Whether all pods run the predictor's model, are available, and are as many as wanted."""
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    keys = ("replicas", "updatedReplicas", "availableReplicas")
    counts = {status.get(key, 0) for key in keys}
    is_ours = _is_of(deployment["spec"]["template"]["metadata"], predictor)
    return seen and is_ours and wanted >= replicas and counts == {wanted}


def failure(api: Api, deployment: Body, predictor: Predictor) -> str:
    """Return why a pod of the predictor cannot start; empty while it still may."""
    for pod in _pods(api, deployment, predictor):
        for status in _containers(pod):
            if reason := _fatal(status):
                name = pod["metadata"]["name"]
                return (
                    f"pod {name}: container {status['name']}: {reason}{_events(api, 'Pod', name)}"
                )
    return ""


def delay(api: Api, live: Live, deployment: Body | None, predictor: Predictor) -> str:
    """Return what a predictor that is not ready in time waits for."""
    if deployment is None or not _is_of(deployment["spec"]["template"]["metadata"], predictor):
        said = unmet(live.status) + _events(api, "InferenceService", MODEL)
        return f"KServe has not made its Deployment {service_of(predictor)}{said}"
    for pod in _pods(api, deployment, predictor):
        if said := unmet(pod.get("status", {})):
            name = pod["metadata"]["name"]
            return f"pod {name} is not ready{said}{_events(api, 'Pod', name)}"
    status = deployment.get("status", {})
    counts = f"{status.get('availableReplicas', 0)} of {deployment['spec']['replicas']} pods"
    return f"{counts} are available{unmet(status)}"


def unmet(status: Body, *only: str) -> str:
    """Return what the conditions (of these types, or all) say that are not as they should be."""
    found = [c for c in status.get("conditions", []) if not only or c["type"] in only]
    return "".join(f"; {c['type']}: {_said(c) or c['status']}" for c in found if not _is_met(c))


def _is_of(metadata: Body, predictor: Predictor) -> bool:
    notes, wanted = metadata.get("annotations", {}), predictor.revision
    found = Revision(notes.get(VERSION, ""), notes.get(SOURCE, ""), notes.get(RUN_ID, ""))
    return found == wanted


def _pods(api: Api, deployment: Body, predictor: Predictor) -> list[Body]:
    """Return the Deployment's pods, without those of an earlier one of its name or content."""
    found = api.pods(deployment["spec"]["selector"]["matchLabels"])
    born = deployment["metadata"]["creationTimestamp"]
    return [
        pod
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
        and pod["metadata"]["creationTimestamp"] >= born
        and _is_of(pod["metadata"], predictor)
    ]


def _containers(pod: Body) -> list[Body]:
    status = pod.get("status", {})
    init = [{**found, "init": True} for found in status.get("initContainerStatuses", [])]
    return [*init, *status.get("containerStatuses", [])]


def _fatal(status: Body) -> str:
    """Return why a container will not start without help, and how it ended the last time."""
    state, last = status.get("state", {}), status.get("lastState", {})
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    if waiting.get("reason") in _FATAL:
        return _said(waiting) + _ended(last.get("terminated", {}))
    if status.get("init") and ended.get("exitCode", 0):
        return "it fetches the bundle and failed" + _ended(ended)
    return ""


def _ended(terminated: Body) -> str:
    if not terminated:
        return ""
    return f"; it ended with exit code {terminated.get('exitCode')}: {_said(terminated)}"


def _is_met(condition: Body) -> bool:
    wanted = "False" if condition["type"] in _BAD else "True"
    return bool(condition["status"] == wanted)


def _events(api: Api, kind: str, name: str) -> str:
    found = [f"{_said(event)}" for event in api.warnings(kind, name)[:_NEWEST]]
    return f"; events: {' | '.join(found)}" if found else ""


def _said(found: Body) -> str:
    """Return the reason and the message of a state, a condition or an event, in one line."""
    both = [part for part in (found.get("reason"), found.get("message")) if part]
    return one_line(": ".join(both))
