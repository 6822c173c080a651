"""The few requests to the cluster's API that a release needs, each bounded in time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import urllib3
import yaml
from kubernetes.client import (
    ApiClient,
    Configuration,
)
from kubernetes.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)

from components.deployment.kserve import NAMESPACE
from components.deployment.kserve.refusals import CLIENT_ERRORS, is_absent, refusal
from components.errors import InputError, one_line
from components.registry import MODEL

GROUP = "serving.kserve.io"
TIMEOUT_S = (5.0, 15.0)
"""Seconds to connect, and to wait for an answer."""
_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class _Resource:
    group: str
    version: str
    plural: str
    verbs: tuple[str, ...]

    @property
    def path(self) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{NAMESPACE}/{self.plural}"


_SERVICES = _Resource(GROUP, "v1beta1", "inferenceservices", ("get", "patch"))
_DEPLOYMENTS = _Resource("apps", "v1", "deployments", ("get",))
_PODS = _Resource("", "v1", "pods", ("list",))
_EVENTS = _Resource("", "v1", "events", ("list",))

RULES = tuple((r.group, r.plural, r.verbs) for r in (_SERVICES, _DEPLOYMENTS, _PODS, _EVENTS))
"""API group, resource and verbs of every request made here; the Role of the steps."""


class Api:
    """The cluster that KUBECONFIG names, or the one that this process runs in.

    Paths are spelled out: the client's discovery would ask without a time limit, and keep what it
    found in a file that all users of a machine share.
    """

    def __init__(self) -> None:
        """Read the configuration; no request is made.

        Raises:
            InputError: it is missing or malformed.
        """
        self._client = ApiClient(_configuration())

    def inference_service(self) -> dict[str, Any] | None:
        """Return the InferenceService; ``None`` when there is none."""
        return self._get(_SERVICES, MODEL)

    def apply(self, body: dict[str, Any], manager: str, *, force: bool = False) -> dict[str, Any]:
        """Apply the InferenceService on the server's side.

        Args:
            body: everything that the manager owns; what it owned and leaves out goes.
            manager: the field manager.
            force: take the fields of the body from whoever owns them.

        Raises:
            StaleError: the body names a resourceVersion that has passed.
            ConflictError: somebody else owns a field.
            HealthPredictError: any other refusal.
        """
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        answer: dict[str, Any] = self._call("patch", _SERVICES, MODEL, query, body)
        return answer

    def deployment(self, name: str) -> dict[str, Any] | None:
        """Return a Deployment; ``None`` when there is none."""
        return self._get(_DEPLOYMENTS, name)

    def pods(self, labels: dict[str, str]) -> list[dict[str, Any]]:
        """Return the pods that have all of these labels."""
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        return self._list(_PODS, {"labelSelector": selector})

    def warnings(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Return the events of type Warning about an object, the newest first."""
        about = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
        found = self._list(_EVENTS, {"fieldSelector": about})
        return sorted(found, key=_time_of, reverse=True)

    def _get(self, resource: _Resource, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._call("get", resource, name, {}, absent=True)
        return found

    def _list(self, resource: _Resource, query: dict[str, str]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._call("list", resource, "", query)["items"]
        return items

    def _call(
        self,
        verb: str,
        resource: _Resource,
        name: str,
        query: dict[str, str],
        body: dict[str, Any] | None = None,
        absent: bool = False,
    ) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"
        try:
            return self._client.call_api(
                f"{resource.path}/{name}".rstrip("/"),
                "PATCH" if verb == "patch" else "GET",
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=TIMEOUT_S,
            )
        except CLIENT_ERRORS as error:
            if absent and is_absent(error):
                return None
            what = " ".join((verb, resource.plural, name, "in", NAMESPACE)).replace("  ", " ")
            raise refusal(error, self._client.configuration.host, what) from error


def _configuration() -> Configuration:
    found = Configuration()
    # Each request may be sent again: one that changes something names the resourceVersion.
    found.retries = urllib3.Retry(
        total=3, read=1, allowed_methods=None, backoff_factor=0.3, raise_on_status=False
    )
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    path = os.environ.get("KUBECONFIG", "" if inside else _KUBECONFIG)
    try:
        if path:
            load_kube_config(path, client_configuration=found)
        else:
            load_incluster_config(client_configuration=found)
    except (ConfigException, OSError, yaml.YAMLError) as error:
        raise InputError(
            f"{path or 'the service account'}: no cluster: {one_line(error)}"
        ) from None
    return found


def _time_of(event: dict[str, Any]) -> str:
    return event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or ""
