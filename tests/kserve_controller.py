"""What KServe's controller does, as far as a release can see it, where KServe is not at work.

It follows KServe 0.21: ``reconcileCanaryDeployments``, ``adjustStableMinReplicasForCanaries``,
``applyCanaryWeights``, and what its webhook refuses. Deployments and pods have no controller here
either, so it writes their status too.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import Any

from cluster_admin import DEPLOYMENTS, EVENTS, PODS, SERVICE, Admin, Body
from fake_apply import merged
from kubernetes.client import ApiException

from components.deployment.kserve import NAMESPACE
from components.deployment.kserve.manifest import VERSION
from components.deployment.kserve.rollout import SOURCE
from components.registry import MODEL

URL = "http://readmission-serving.example.com"
LABEL = "serving.kserve.io/inferenceservice"
IMAGE = "readmission:test"
_TICK_S = 0.02
_HIDDEN = ("modelFormat", "kubectl.kubernetes.io/last-applied-configuration")


@dataclass
class Fault:
    """Why a version's pods do not get ready: the pod's status, and its newest warning.

    A fault without a container leaves the Deployment without a pod. One that is ``down`` takes the
    pods that were there too.
    """

    container: Body = field(default_factory=dict)
    is_init: bool = False
    warning: tuple[str, str] = ("", "")
    conditions: list[Body] = field(default_factory=list)
    is_down: bool = False


class Controller:
    """Runs in a thread until it is stopped.

    Attributes:
        faults: by version.
        paused: nothing is reconciled.
        route_broken: no weight reaches the gateway.
        weights: share of each Service, as the gateway has them.
        restarts: how often the pod template of a Deployment was changed.
        wrong: what KServe's webhook would have refused, Deployments deleted while requests were
            sent to them, and canaries that got more requests before their pods were there.
    """

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self.faults: dict[str, Fault] = {}
        self.paused = self.route_broken = False
        self.weights: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self.wrong: list[str] = []
        self._templates: dict[str, Body] = {}
        self._last: Body = {}
        self._sick: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            try:
                if not self.paused and (service := self._admin.get(SERVICE)):
                    self._reconcile(service)
            except ApiException as error:
                if error.status not in (404, 409):  # it went, or was changed, meanwhile
                    self.wrong.append(f"the test's controller was refused: {error}")
            except Exception as error:
                self.wrong.append(f"the test's controller failed: {error!r}")
                return

    def _reconcile(self, service: Body) -> None:
        self.wrong += _refusals(service["spec"], self._last)
        self._last = service["spec"]
        stable, canaries = service["spec"]["predictor"], service["spec"].get("canary", [])
        states = [self._canary(service, stable, entry) for entry in canaries]
        names = [_deployment(stable), *(_deployment(entry["predictor"]) for entry in canaries)]
        self._delete_orphans(names)
        pods = stable.get("minReplicas", 1)
        taken = sum(
            _pods(stable, entry)
            for entry, state in zip(canaries, states, strict=True)
            if state["ready"]
        )
        pods = max(pods - taken, 1) if taken else pods
        is_ready = self._ensure(service, stable, pods) >= pods
        if not self.route_broken and is_ready:
            shares = [state["trafficPercent"] * state["ready"] for state in states]
            self._check_pods(dict(zip(names[1:], shares, strict=True)))
            self.weights = dict(zip(names, [100 - sum(shares), *shares], strict=True))
        self._report(service, states, is_ready)

    def _check_pods(self, shares: dict[str, int]) -> None:
        for name, share in shares.items():
            found = self._admin.there(f"{DEPLOYMENTS}/{name}")
            # A real API server leaves a zero out.
            pods = found.get("status", {}).get("availableReplicas", 0)
            wanted = found["spec"]["replicas"]
            if share > self.weights.get(name, 0) and pods < wanted:
                self.wrong.append(f"{name} gets {share} % with {pods} of {wanted} pods")

    def _canary(self, service: Body, stable: Body, entry: Body) -> Body:
        predictor = merged(stable, entry["predictor"])
        ready = self._ensure(service, predictor, _pods(stable, entry)) > 0
        return {
            "name": predictor["name"],
            "ready": ready,
            "trafficPercent": entry["trafficPercent"],
        }

    def _delete_orphans(self, expected: list[str]) -> None:
        for found in self._admin.items(DEPLOYMENTS):
            name = found["metadata"]["name"]
            if name not in expected:
                # One that answers alone is a first release that nobody has proven yet.
                if len(self.weights) > 1 and self.weights.pop(name, 0):
                    self.wrong.append(f"{name} was deleted while requests were sent to it")
                self._admin.delete(f"{DEPLOYMENTS}/{name}")
                self._admin.delete(f"{PODS}/{name}-pod")
                self._templates.pop(name, None)

    def _ensure(self, service: Body, predictor: Body, pods: int) -> int:
        """Make or change a Deployment; return how many pods of it are available."""
        name, template = _deployment(predictor), _template(service, predictor)
        found = self._admin.get(f"{DEPLOYMENTS}/{name}")
        before, is_settled = self._templates.get(name), False
        if found is None:
            found = self._admin.create(DEPLOYMENTS, _new(name, template, pods))
            self.restarts[name] = 0
        elif before != template or found["spec"]["replicas"] != pods:
            self.restarts[name] += before != template
            notes = dict.fromkeys(found["spec"]["template"]["metadata"]["annotations"])
            changed = merged({"metadata": {"annotations": notes}}, template)
            spec = {"spec": {"replicas": pods, "template": changed}}
            found = self._admin.merge(f"{DEPLOYMENTS}/{name}", spec, "manager")
        else:
            is_settled = True
        self._templates[name] = template
        version = template["metadata"]["annotations"].get(VERSION, "")
        return self._run_pods(name, found, self.faults.get(version), is_settled)

    def _run_pods(self, name: str, found: Body, fault: Fault | None, is_settled: bool) -> int:
        status, pods = found.get("status", {}), found["spec"]["replicas"]
        available = status.get("availableReplicas", 0)
        wanted: Body = {"observedGeneration": found["metadata"]["generation"], "replicas": pods}
        if name in self._sick and not fault:
            self._sick.remove(name)
            self._admin.delete(f"{PODS}/{name}-pod")
        if fault:
            self._sick.add(name)
            available = 0 if fault.is_down else available
            if fault.container:
                self._pod(name, found, fault)
            updated, wanted["conditions"] = pods, fault.conditions
            wanted["replicas"] = pods + available  # the old pods stay
        elif is_settled:
            available = updated = pods
        else:
            updated = 0  # new pods take their time, and the old ones serve until then
        wanted |= {"updatedReplicas": updated, "availableReplicas": min(available, pods)}
        wanted["readyReplicas"] = wanted["availableReplicas"]
        if any(status.get(key, 0) != value for key, value in wanted.items()):
            self._admin.merge(f"{DEPLOYMENTS}/{name}/status", {"status": wanted}, "manager")
        return int(wanted["availableReplicas"])

    def _pod(self, name: str, deployment: Body, fault: Fault) -> None:
        pod, template = f"{name}-pod", deployment["spec"]["template"]
        if self._admin.get(f"{PODS}/{pod}"):
            return
        metadata = {**template["metadata"], "name": pod}
        containers = [{"name": "kserve-container", "image": IMAGE}]
        self._admin.create(PODS, {"metadata": metadata, "spec": {"containers": containers}})
        kind = "initContainerStatuses" if fault.is_init else "containerStatuses"
        known = {"image": IMAGE, "imageID": "", "ready": False, "restartCount": 1}
        status = {kind: [known | fault.container]} | {"conditions": fault.conditions}
        if fault.warning[0]:
            warn(self._admin, "Pod", pod, *fault.warning)
        self._admin.merge(f"{PODS}/{pod}/status", {"status": status})

    def _report(self, service: Body, states: list[Body], is_ready: bool) -> None:
        # A route that is there stays ready, whether or not its weights are those of the spec.
        is_routed = not self.route_broken and bool(self.weights)
        conditions = [
            _condition("PredictorReady", is_ready, "MinimumReplicasUnavailable"),
            _condition("IngressReady", is_routed, "Predictor ingress not created"),
        ]
        status = {"conditions": conditions, "url": URL, "canaryStatuses": states or None}
        known = service.get("status", {})
        if any(known.get(key) != value for key, value in status.items()):
            self._admin.merge(f"{SERVICE}/status", {"status": status}, "manager")


def _condition(kind: str, is_true: bool, reason: str) -> Body:
    truth = {"status": "True"} if is_true else {"status": "False", "reason": reason}
    return {"type": kind, **truth}


def warn(admin: Admin, kind: str, name: str, reason: str, message: str) -> None:
    """Leave an event of type Warning about an object."""
    about = {"kind": kind, "name": name, "namespace": NAMESPACE}
    event: Body = {"involvedObject": about, "type": "Warning", "reason": reason}
    event |= {"metadata": {"name": f"{name}.{reason}".lower()}, "message": message}
    admin.create(EVENTS, event | {"lastTimestamp": "2026-01-01T00:00:00Z", "source": {}})


def _refusals(spec: Body, before: Body) -> list[str]:
    """Return what KServe's webhook would say to a change (``inference_service_validation.go``)."""
    stable, said = spec["predictor"], []
    names = [entry["predictor"].get("name", "") for entry in spec.get("canary", [])]
    if stable.get("model", {}).get("name"):
        said.append("the 'name' field is not allowed in standard predictor")
    if "" in names or len({*names, stable.get("name", "")}) <= len(names):
        said.append(f"canary names {names} are not unique beside {stable.get('name')!r}")
    if sum(entry["trafficPercent"] for entry in spec.get("canary", [])) > 100:
        said.append("the shares are above 100 %")
    for entry in spec.get("canary", []):
        if entry["predictor"].get("minReplicas", 0) > stable.get("minReplicas", 1):
            said.append("a canary has more replicas than the stable predictor")
    old = before.get("predictor", {})
    if old and old.get("name") != stable.get("name") and _uri(old) == _uri(stable):
        said.append("predictor.name change requires a model change")
    return [f"KServe would refuse: {reason}" for reason in said]


def _uri(predictor: Body) -> str:
    found: str = predictor.get("model", {}).get("storageUri", "")
    return found


def _pods(stable: Body, entry: Body) -> int:
    pods: int = entry["predictor"].get("minReplicas", -1)
    share = math.ceil(stable.get("minReplicas", 1) * entry["trafficPercent"] / 100)
    return share if pods < 0 else pods


def _deployment(predictor: Body) -> str:
    name = predictor.get("name", "")
    return f"{MODEL}-{name}-predictor" if name else f"{MODEL}-predictor"


def _template(service: Body, predictor: Body) -> Body:
    notes = service["metadata"].get("annotations", {}) | predictor.get("annotations", {})
    notes = {key: value for key, value in notes.items() if key not in _HIDDEN}
    if uri := _uri(predictor):
        notes[SOURCE] = uri
    labels = {"app": f"isvc.{_deployment(predictor)}", LABEL: MODEL, "component": "predictor"}
    model = predictor["model"]
    container: dict[str, Any] = {"name": "kserve-container", "image": IMAGE}
    container["args"] = ["--host=0.0.0.0", *model.get("args", [])]
    container |= {key: model[key] for key in ("env", "resources") if key in model}
    metadata = {"labels": labels, "annotations": notes}
    return {"metadata": metadata, "spec": {"containers": [container]}}


def _new(name: str, template: Body, pods: int) -> Body:
    labels = template["metadata"]["labels"]
    selector = {"matchLabels": {"app": labels["app"]}}
    spec = {"replicas": pods, "selector": selector, "template": template}
    metadata = {"name": name, "labels": {LABEL: MODEL, "component": "predictor"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
