"""KServe's pods as containers on this host, and their Services as paths of one proxy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from cluster_admin import Admin, Body
from containers import docker
from kserve_controller import Controller, Fault

from components.deployment.kserve.rollout import SOURCE
from components.deployment.local.ports import free_port
from components.deployment.local.server import is_ready
from components.registry.store import BundleStore

_SEALED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")


@dataclass(frozen=True)
class Pod:
    """A container that serves a version."""

    container: str
    port: int
    template: Body

    def ready(self) -> bool:
        return is_ready(f"http://127.0.0.1:{self.port}")


class Containers:
    """The pods of the Deployments, each a container of the serving image.

    As KServe's storage initializer does, it fetches a bundle before the server starts.
    """

    def __init__(self, image: str, store: BundleStore, cache: Path) -> None:
        self._image, self._store, self._cache = image, store, cache
        self.pods: dict[str, Pod] = {}

    def run(self, name: str, template: Body) -> bool:
        """Have a Deployment's pod run this template; return whether it is ready."""
        pod = self.pods.get(name)
        if pod is None or pod.template != template:
            self.stop(name)
            pod = self.pods[name] = self._start(template)
        return pod.ready()

    def stop(self, name: str) -> None:
        if pod := self.pods.pop(name, None):
            docker("rm", "--force", pod.container)

    def _start(self, template: Body) -> Pod:
        port = free_port()
        (served,) = template["spec"]["containers"]
        folder = self._store.fetch(template["metadata"]["annotations"][SOURCE], self._cache)
        mount = f"--volume={folder}:/mnt/models:ro"
        arguments = [*served["args"], "--host=127.0.0.1", f"--port={port}", "--bundle=/mnt/models"]
        container = docker("run", "--detach", *_SEALED, mount, self._image, *arguments)
        return Pod(container, port, template)


class ContainerController(Controller):
    """Does KServe's work with true model servers."""

    def __init__(self, admin: Admin, containers: Containers) -> None:
        self._containers = containers
        super().__init__(admin)

    def _delete_orphans(self, expected: list[str]) -> None:
        super()._delete_orphans(expected)
        for name in set(self._containers.pods) - set(expected):
            self._containers.stop(name)

    def _run_pods(self, name: str, found: Body, fault: Fault | None, is_settled: bool) -> int:
        template = self._templates[name]
        # Before the first release there is nothing to fetch.
        has_model = SOURCE in template["metadata"]["annotations"]
        is_ready = has_model and self._containers.run(name, template)
        return super()._run_pods(name, found, fault, is_settled and is_ready)


class Services:
    """One server on loopback under whose path ``/SERVICE/`` each pod answers."""

    def __init__(self, port_of: Callable[[str], int]) -> None:
        self._client = httpx.Client(trust_env=False, timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port_of, self._client))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/{{service}}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()


def _handler(port_of: Callable[[str], int], client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def _pass_on(self) -> None:
            _, service, path = self.path.split("/", 2)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            url = f"http://127.0.0.1:{port_of(service)}/{path}"
            answer = client.request(self.command, url, content=content, headers=kind)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = _pass_on

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
