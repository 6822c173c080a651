"""The InferenceService as it stands: what it serves, and which of its fields are ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.deployment.kserve import FIRST_RELEASE, MANAGER
from components.deployment.kserve.manifest import BUNDLE, RUN_ID, VERSION, Body, digest
from components.deployment.target import Revision, Serving


@dataclass(frozen=True, slots=True)
class Predictor:
    """One side of the InferenceService.

    Attributes:
        name: makes the names of its Deployment and its Service.
        revision: what it serves; the version is empty when its annotations do not tell.
        replicas: how many pods it is to have.
    """

    name: str
    revision: Revision
    replicas: int


@dataclass(frozen=True, slots=True)
class Live:
    """What the API server returned; ``None`` when there is no InferenceService."""

    body: Body | None

    @property
    def stable(self) -> Predictor | None:
        """The stable predictor; ``None`` while it has no model, as before the first release."""
        predictor = self._spec.get("predictor", {})
        return _predictor(predictor) if "storageUri" in predictor.get("model", {}) else None

    @property
    def stable_model(self) -> Body:
        """The stable predictor's model as it stands in the object."""
        found: Body = self._spec["predictor"]["model"]
        return found

    @property
    def canary(self) -> Predictor | None:
        """The canary, whoever put it there."""
        entry = self.canary_entry
        return _predictor(entry["predictor"]) if entry else None

    @property
    def canary_entry(self) -> Body:
        """The canary as it stands in the object; empty when there is none."""
        entries = self._spec.get("canary") or [{}]
        found: Body = entries[0]
        return found

    @property
    def canary_states(self) -> dict[str, Body]:
        """What KServe reports of each canary, by the name of its predictor."""
        return {state["name"]: state for state in self.status.get("canaryStatuses", [])}

    @property
    def percent(self) -> int:
        """Share of the requests that the canary is to answer."""
        entry = self.canary_entry
        return int(entry["trafficPercent"]) if entry else 0

    @property
    def is_first(self) -> bool:
        """Whether the stable predictor is a first release that is not finished."""
        return _has_model(self.owned(FIRST_RELEASE)) and not _has_model(self.owned(MANAGER))

    @property
    def serving(self) -> Serving:
        """What the steps see: a first release is the canary of nothing until it is finished."""
        stable = self.stable.revision if self.stable else None
        if self.is_first:
            return Serving(None, stable, 100)
        return Serving(stable, self.canary.revision if self.canary else None, self.percent)

    @property
    def instead(self) -> str:
        """Say what is there in the place of what was asked for."""
        return f"; {self.serving.described or 'nothing serves'}"

    @property
    def status(self) -> Body:
        """What KServe's controller reports."""
        found: Body = (self.body or {}).get("status", {})
        return found

    @property
    def place(self) -> Body:
        """What makes a change fail when this object has changed, or is gone, meanwhile."""
        if self.body is None:
            return {}
        # The resourceVersion alone does not guard: applied to nothing, it creates the object.
        return {key: self.body["metadata"][key] for key in ("uid", "resourceVersion")}

    def owned(self, manager: str) -> Body:
        """Return what a field manager applied, with the values that stand there now.

        Applied again as it is, it changes nothing; what it leaves out then is removed.
        """
        for entry in (self.body or {}).get("metadata", {}).get("managedFields", []):
            if (entry["manager"], entry["operation"]) == (manager, "Apply"):
                found: Body = _extract(entry["fieldsV1"], self.body)
                return found
        return {}

    @property
    def _spec(self) -> Body:
        found: Body = (self.body or {}).get("spec", {})
        return found


def _predictor(body: Body) -> Predictor:
    replicas = body.get("minReplicas")
    return Predictor(body.get("name", ""), _revision(body), 1 if replicas is None else replicas)


def _revision(predictor: Body) -> Revision:
    """Read the annotations; they tell only while the model is still the one they were put for."""
    uri = predictor.get("model", {}).get("storageUri", "")
    notes = predictor.get("annotations", {})
    if not uri or notes.get(BUNDLE) != digest(uri):
        return Revision("", uri, "")
    return Revision(notes.get(VERSION, ""), uri, notes.get(RUN_ID, ""))


def _has_model(body: Body) -> bool:
    return "storageUri" in body.get("spec", {}).get("predictor", {}).get("model", {})


def _extract(fields: Body, value: Any) -> Any:
    """Return the part of a value that a set of fields (``fieldsV1``) names."""
    keys = [key for key in fields if key.startswith("f:")]
    if not keys:
        return value
    return {key[2:]: _extract(fields[key], value[key[2:]]) for key in keys if key[2:] in value}
