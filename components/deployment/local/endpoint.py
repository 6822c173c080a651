"""The file that says what serves on this machine: ``endpoint.json`` of the state folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from components.deployment.local.ports import HOST
from components.deployment.local.process import Process
from components.deployment.local.server import Server
from components.deployment.target import Serving
from components.errors import ConflictError, HealthPredictError

_LOCK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The router, and the servers behind it.

    Attributes:
        router: Envoy's process.
        port: at which it listens; it stays while versions come and go.
        stable: answers what the canary does not.
        canary: the version that is being released.
        percent: share of the requests that the canary answers.
        leaving: a server that gets no new request and is to be stopped.
    """

    router: Process
    port: int
    stable: Server | None = None
    canary: Server | None = None
    percent: int = 0
    leaving: Server | None = None

    @property
    def url(self) -> str:
        """Base URL of the endpoint."""
        return f"http://{HOST}:{self.port}"

    @property
    def serving(self) -> Serving:
        """What the endpoint serves."""
        stable, canary = (side.revision if side else None for side in (self.stable, self.canary))
        return Serving(stable, canary, self.percent)

    @property
    def answering(self) -> Server | None:
        """The server that answers all requests; the stable one while they are shared."""
        return self.canary if self.canary and self.percent == 100 else self.stable

    @property
    def alive(self) -> bool:
        """Whether the router runs and a server behind it."""
        return self.router.alive and bool(self.answering and self.answering.process.alive)


_READER = TypeAdapter(Endpoint)


@dataclass(frozen=True, slots=True)
class EndpointFile:
    """``endpoint.json`` of one state folder."""

    state: Path

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.state / "endpoint.json"

    def read(self) -> Endpoint | None:
        """Return what the file says, whether its processes run or not.

        Raises:
            HealthPredictError: it is not readable.
        """
        try:
            return _READER.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise HealthPredictError(
                f"{self.path}: is damaged or of an older version; health-predict stop, remove it, "
                "health-predict serve"
            ) from error

    def write(self, endpoint: Endpoint) -> None:
        """Replace it in one step: a reader sees the old state or the new one."""
        partial = self.path.with_suffix(".part")
        partial.write_bytes(_READER.dump_json(endpoint, indent=1))
        partial.replace(self.path)

    def clear(self) -> None:
        """Say that nothing serves."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from changing what serves.

        Raises:
            ConflictError: another one holds the lock for too long.
        """
        try:
            with FileLock(self.state / "endpoint.lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise ConflictError(
                f"{self.state}: another process has been changing what serves for "
                f"{_LOCK_SECONDS:.0f} s; end it and run again"
            ) from None


def server_log(state: Path, version: str) -> Path:
    """Return the file that a version's server on this machine logs to."""
    return state / "servers" / f"version-{version}.log"
