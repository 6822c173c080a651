"""The objects of the fake API server, and how they answer requests."""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fake_apply import Body, FieldConflict, Owners, applied, merged, updated

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
SERVICES, DEPLOYMENTS = "inferenceservices.serving.kserve.io", "deployments.apps"
_FIXED = ("uid", "resourceVersion", "generation", "creationTimestamp")
_NEWER = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class Refused(Exception):
    """An answer that is no success, with what Kubernetes puts into its Status."""

    def __init__(
        self, code: int, reason: str, message: str, causes: list[Body] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.causes = code, reason, causes


@dataclass(frozen=True)
class Request:
    """One request, taken apart."""

    method: str
    query: dict[str, str]
    content_type: str
    body: Body
    token: str
    group: str
    namespace: str
    plural: str
    name: str
    is_status: bool

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def verb(self) -> str:
        verbs = {"GET": "get" if self.name else "list", "POST": "create", "DELETE": "delete"}
        return verbs.get(self.method, "patch")

    @property
    def key(self) -> tuple[str, str, str]:
        return self.resource, self.namespace, self.name


@dataclass
class Stored:
    """An object and the owners of its fields."""

    body: Body
    owners: Owners = field(default_factory=Owners)

    def shown(self) -> Body:
        body = copy.deepcopy(self.body)
        fields = self.owners.managed_fields(body.get("apiVersion", "v1"))
        body["metadata"] |= {"managedFields": fields} if fields else {}
        return body


class Objects:
    """All objects; one request at a time."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], Stored] = {}
        self._versions = itertools.count(100)
        self._lock = threading.Lock()

    def handle(self, request: Request, may_create: bool) -> Body:
        """Return the answer to a request.

        Raises:
            Refused: it has no success.
        """
        with self._lock:
            if request.method == "POST":
                owners = Owners()
                updated({}, owners, request.body, request.query.get("fieldManager", "unknown"))
                return self._create(request, request.body, owners)
            if request.verb == "list":
                return self._list(request)
            stored = self._objects.get(request.key)
            if request.content_type == APPLY:
                return self._apply(request, stored, may_create)
            if stored is None:
                raise Refused(404, "NotFound", f'{request.resource} "{request.name}" not found')
            if request.method == "PATCH":
                return self._merge(request, stored)
            if request.method == "DELETE":
                del self._objects[request.key]
            return stored.shown()

    def _list(self, request: Request) -> Body:
        found = [
            stored.shown()
            for (resource, namespace, _), stored in self._objects.items()
            if resource == request.resource and request.namespace in ("", namespace)
        ]
        kept = [body for body in found if _is_selected(body, request.query)]
        return {"kind": "List", "apiVersion": "v1", "items": kept}

    def _create(self, request: Request, body: Body, owners: Owners) -> Body:
        name, place = body["metadata"]["name"], request.namespace
        key = (request.resource, place, name)
        if place and ("namespaces", "", place) not in self._objects:
            raise Refused(404, "NotFound", f'namespaces "{place}" not found')
        if key in self._objects:
            raise Refused(409, "AlreadyExists", f'{request.resource} "{name}" already exists')
        _validate(body)
        made = {key: value for key, value in copy.deepcopy(body).items() if key != "status"}
        made["metadata"] |= {
            "uid": str(uuid.uuid4()),
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "generation": 1,
            "resourceVersion": str(next(self._versions)),
        } | ({"namespace": place} if place else {})
        self._objects[key] = stored = Stored(made, owners)
        return stored.shown()

    def _apply(self, request: Request, stored: Stored | None, may_create: bool) -> Body:
        config, manager = request.body, request.query["fieldManager"]
        owners = stored.owners.copy() if stored else Owners()
        live = stored.body if stored else {}
        if stored:
            _check_version(request, stored)
        elif uid := config["metadata"].get("uid"):
            raise _stale(request, f"uid mismatch: {uid}, and no existing object was found")
        elif not may_create:
            raise forbidden(request, "create")
        try:
            result = applied(live, owners, config, manager, request.query.get("force") == "true")
        except FieldConflict as conflict:
            raise _conflict(conflict) from None
        if stored is None:
            return self._create(request, config, owners)
        return self._store(stored, result, owners)

    def _merge(self, request: Request, stored: Stored) -> Body:
        _check_version(request, stored)
        result, owners = merged(stored.body, request.body), stored.owners.copy()
        if request.is_status:
            return self._store(stored, {**stored.body, "status": result["status"]}, owners)
        if "status" in stored.body:
            result["status"] = stored.body["status"]
        updated(stored.body, owners, result, request.query.get("fieldManager", "unknown"))
        return self._store(stored, result, owners)

    def _store(self, stored: Stored, result: Body, owners: Owners) -> Body:
        _validate(result)
        fixed = {key: stored.body["metadata"][key] for key in _FIXED}
        result["metadata"] = result["metadata"] | fixed
        if result != stored.body or owners != stored.owners:
            if result.get("spec") != stored.body.get("spec"):
                result["metadata"]["generation"] += 1
            result["metadata"]["resourceVersion"] = str(next(self._versions))
        stored.body, stored.owners = result, owners
        return stored.shown()


def forbidden(request: Request, verb: str) -> Refused:
    """Return the answer to an account that may not."""
    named = f'{request.resource} "{request.name}"' if request.name else request.resource
    return Refused(
        403,
        "Forbidden",
        f'{named} is forbidden: User "test" cannot {verb} resource "{request.plural}" in API group '
        f'"{request.group}" in the namespace "{request.namespace}"',
    )


def _is_selected(body: Body, query: dict[str, str]) -> bool:
    labels = body["metadata"].get("labels", {})
    wanted = [pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if pair]
    fields = [pair.split("=", 1) for pair in query.get("fieldSelector", "").split(",") if pair]
    return all(labels.get(key) == value for key, value in wanted) and all(
        _field(body, key) == value for key, value in fields
    )


def _field(body: Body, key: str) -> Any:
    found: Any = body
    for part in key.split("."):
        found = found.get(part, {})
    return found


def _validate(body: Body) -> None:
    """Refuse what KServe's schema refuses in what these tests send."""
    for at, entry in enumerate(body.get("spec", {}).get("canary", [])):
        model = entry["predictor"].get("model", {"modelFormat": {}, "name": ""})
        for key in {"modelFormat", "name"} - set(model):
            place = f"spec.canary[{at}].predictor.model.{key}"
            cause = {"reason": "FieldValueRequired", "message": "Required value", "field": place}
            kind = f'InferenceService.serving.kserve.io "{body["metadata"]["name"]}"'
            raise Refused(422, "Invalid", f"{kind} is invalid: {place}: Required value", [cause])


def _check_version(request: Request, stored: Stored) -> None:
    wanted = request.body.get("metadata", {}).get("resourceVersion")
    if wanted not in (None, stored.body["metadata"]["resourceVersion"]):
        raise _stale(request, _NEWER)


def _stale(request: Request, why: str) -> Refused:
    start = f'Operation cannot be fulfilled on {request.resource} "{request.name}"'
    return Refused(409, "Conflict", f"{start}: {why}")


def _conflict(conflict: FieldConflict) -> Refused:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager}"',
            "field": "." + ".".join(path),
        }
        for manager, path in conflict.owned
    ]
    said = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    return Refused(409, "Conflict", f"Apply failed with {len(causes)} conflicts: {said}", causes)
