"""What the tests themselves do in a cluster, real or fake, as its administrator."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_kubernetes import Rules, write_kubeconfig
from kubernetes.client import ApiClient, ApiException, Configuration
from kubernetes.config import load_kube_config

from components.deployment.kserve import NAMESPACE
from components.registry import MODEL

Body = dict[str, Any]
SERVICES = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices"
SERVICE = f"{SERVICES}/{MODEL}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class Admin:
    """Requests with all rights."""

    def __init__(self, kubeconfig: Path) -> None:
        self.configuration = Configuration()
        load_kube_config(str(kubeconfig), client_configuration=self.configuration)
        self._client = ApiClient(self.configuration)

    def get(self, path: str) -> Body | None:
        """Return an object; ``None`` when it is not there."""
        try:
            found: Body = self.call("GET", path)
            return found
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def there(self, path: str) -> Body:
        """Return an object that must be there."""
        found = self.get(path)
        assert found is not None, f"{path} is not there"
        return found

    def items(self, path: str) -> list[Body]:
        found: list[Body] = self.call("GET", path)["items"]
        return found

    def create(self, path: str, body: Body) -> Body:
        made: Body = self.call("POST", path, body, "application/json")
        return made

    def merge(self, path: str, body: Body, manager: str = "kubectl-edit") -> Body:
        """Patch an object as ``kubectl edit`` and ``kubectl patch`` do."""
        changed: Body = self.call("PATCH", path, body, MERGE, fieldManager=manager)
        return changed

    def apply(self, body: Body, manager: str, force: bool = False, **query: str) -> Body:
        """Apply an InferenceService as ``kubectl apply --server-side`` does."""
        forced = {"force": "true"} if force else {}
        path = f"{SERVICES}/{body['metadata']['name']}"
        query |= {"fieldManager": manager, **forced}
        changed: Body = self.call("PATCH", path, body, APPLY, **query)
        return changed

    def delete(self, path: str) -> None:
        try:
            self.call("DELETE", path)
        except ApiException as error:
            if error.status != 404:
                raise

    def call(
        self, method: str, path: str, body: Body | None = None, kind: str = "", **query: str
    ) -> Any:
        headers = {"Accept": "application/json"} | ({"Content-Type": kind} if kind else {})
        return self._client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=20,
        )


@dataclass(frozen=True)
class Cluster:
    """A cluster and how to get an account in it.

    Attributes:
        admin: requests with all rights.
        account: makes an account with these rights, and returns its token.
        is_real: it is no fake.
    """

    admin: Admin
    account: Callable[[Rules], str]
    is_real: bool

    @property
    def url(self) -> str:
        found: str = self.admin.configuration.host
        return found

    @property
    def authority(self) -> str | None:
        """The file with the server's certificate authority."""
        found: str | None = self.admin.configuration.ssl_ca_cert
        return found

    def kubeconfig(self, path: Path, token: str, url: str = "") -> Path:
        """Write a kubeconfig for a token, and for a proxy's URL if there is one."""
        authority = b"" if url or not self.authority else Path(self.authority).read_bytes()
        encoded = base64.b64encode(authority).decode()
        return write_kubeconfig(path, url or self.url, token, encoded)
