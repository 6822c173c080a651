"""What the cluster's refusals mean: one line each, with what, where, and what to do."""

from __future__ import annotations

import json
from typing import Any

import urllib3
from kubernetes.client import ApiException

from components.deployment.kserve import NAMESPACE
from components.errors import ConflictError, HealthPredictError, one_line


class StaleError(ConflictError):
    """The object has changed since it was read; reading it again may help."""


def is_absent(error: Exception) -> bool:
    """Whether the object is not there, though the cluster knows its kind."""
    answered = isinstance(error, ApiException) and error.status == 404
    return answered and _status(error).get("reason") == "NotFound"


def refusal(error: Exception, host: str, what: str) -> HealthPredictError:
    """Return the project's error for one of the client's.

    Args:
        error: an :class:`ApiException` or an error of urllib3.
        host: the API server's URL.
        what: the verb, the resource and the name.
    """
    if not isinstance(error, ApiException):
        reason = one_line(getattr(error, "reason", None) or error)
        return HealthPredictError(
            f"{what}: the cluster's API at {host} does not answer: {reason}; "
            "is it running, and does KUBECONFIG name the right one?"
        )
    status = _status(error)
    said = one_line(status.get("message") or error.reason or "no reason given")
    if error.status == 409:
        return _conflict(status, what, said)
    return HealthPredictError(f"{what}: {_meaning(error.status, said, host)}")


def _meaning(code: int, said: str, host: str) -> str:
    if code == 401:
        return (
            f"{host}: the token has expired or is not valid; log in again, or renew the "
            "credentials that KUBECONFIG names"
        )
    if "denied the request" in said:
        return f"KServe, or a policy of the cluster, refuses it: {said}"
    if code == 403:
        return _forbidden(said)
    if code == 404:
        return f"not found at {host}: {said}; is KServe installed, and are the manifests applied?"
    if code == 422:
        return f"the cluster refuses it as invalid: {said}"
    return f"{host} answered {code or 'nothing'}: {said}; try again, or look at the API server"


def _forbidden(said: str) -> str:
    if "cannot create resource" in said:
        return (
            f"there is no such InferenceService in {NAMESPACE}, and this account may not create "
            f"it; apply the manifests first ({said})"
        )
    return f"forbidden: {said}; a Role in {NAMESPACE} must allow it, the manifests hold one"


def _conflict(status: dict[str, Any], what: str, said: str) -> ConflictError:
    owned = [
        f"{cause['field']} ({cause['message']})"
        for cause in (status.get("details") or {}).get("causes") or []
        if cause.get("reason") == "FieldManagerConflict"
    ]
    if not owned:
        return StaleError(f"{what}: {said}")
    fields = ", ".join(owned)
    return ConflictError(
        f"{what}: somebody else owns {fields}; nothing was changed. Have the owner remove it from "
        "what they apply, then run again"
    )


def _status(error: ApiException) -> dict[str, Any]:
    """Return the answer's Status object; a proxy or an unknown path answers something else."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {"message": error.body}
    return status if isinstance(status, dict) else {"message": error.body}


CLIENT_ERRORS = (ApiException, urllib3.exceptions.HTTPError)
"""What the client raises when a request fails."""
