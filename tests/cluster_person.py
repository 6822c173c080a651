"""What a person does to the InferenceService with kubectl."""

from __future__ import annotations

import json
from typing import Any

from cluster_admin import SERVICE, SERVICES, Admin, Body

LAST = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT_SIDE = "kubectl-client-side-apply"


def client_side_apply(admin: Admin, body: Body) -> None:
    """Do as ``kubectl apply`` does: a merge patch that also drops what it applied before."""
    noted = {**body, "metadata": {**body["metadata"]}}
    notes = dict(body["metadata"].get("annotations", {}))
    noted["metadata"]["annotations"] = {**notes, LAST: json.dumps(body)}
    live = admin.get(SERVICE)
    if live is None:
        admin.call("POST", SERVICES, noted, "application/json", fieldManager=CLIENT_SIDE)
        return
    before = json.loads(live["metadata"].get("annotations", {}).get(LAST, "{}"))
    admin.merge(SERVICE, _patch(before, noted), CLIENT_SIDE)


def server_side_apply(admin: Admin, body: Body) -> None:
    """Do as :data:`components.deployment.kserve.manifest.APPLY_REVISION` says."""
    admin.apply(body, "health-predict-revision", force=True)


def _patch(before: Body, wanted: Body) -> Body:
    gone: dict[str, Any] = {key: None for key in before if key not in wanted}
    kept = {
        key: _patch(before.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in wanted.items()
    }
    return gone | kept
