"""One measurement of a server under load: what is sent, and what was seen."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

HOST = "127.0.0.1"


class Protocol(StrEnum):
    """How a request is written."""

    V1 = "V1 REST"
    V2 = "V2 REST"
    GRPC = "gRPC"


Requests = Mapping[tuple[Protocol, int], tuple[bytes, ...]]
"""What is sent, by protocol and rows a request."""


@dataclass(frozen=True)
class Plan:
    """Load on one server.

    Attributes:
        pid: the server's process, whose CPU time is read.
        port: where it listens, on loopback.
        grpc: whether requests are gRPC messages; else they are whole HTTP requests.
        requests: the bytes to send, one after the other, from the first again after the last.
        connections: how many there are; each has one request on its way at all times.
        warm_up: seconds of load that are not measured.
        seconds: seconds that are.
    """

    pid: int
    port: int
    grpc: bool
    requests: tuple[bytes, ...]
    connections: int
    warm_up: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """What the clients saw between two moments of the monotonic clock.

    Attributes:
        latencies: seconds from sending a request to the end of its answer; shape ``(requests,)``.
        began: the first moment, in seconds.
        ended: the second one.
        server_cpu: CPU seconds of the server in between, user and system.
        client_cpu: the same of the load generator.
    """

    latencies: NDArray[np.float64]
    began: float
    ended: float
    server_cpu: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.latencies.size / (self.ended - self.began)

    @property
    def cpu_us(self) -> float:
        """CPU time of the server for one request, in microseconds."""
        return 1e6 * self.server_cpu / self.latencies.size

    @property
    def client_share(self) -> float:
        """Share of a core that the load generator took; near 1 it was the bottleneck."""
        return self.client_cpu / (self.ended - self.began)

    def quantile_ms(self, q: float) -> float:
        """Return a quantile of the latencies in milliseconds."""
        return 1e3 * float(np.quantile(self.latencies, q))


class Load:
    """A load generator at work, in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        command = [sys.executable, "-m", "bench.serving_load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        pickle.dump(plan, self._process.stdin)
        self._process.stdin.close()
        self._process.stdin = None  # told closed, or communicate() would flush it

    def result(self) -> Measured:
        """Wait for the end and return what was seen.

        Raises:
            RuntimeError: an answer was not 200, or none came; standard error tells which.
        """
        answer, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError("the load generator failed; see its error above")
        measured = pickle.loads(answer)
        assert isinstance(measured, Measured)
        if not measured.latencies.size:
            raise RuntimeError("no request was answered in time; measure for more --seconds")
        return measured


def server_core() -> int:
    """Return the core that servers run on: one each, as KServe's default container has."""
    return min(os.sched_getaffinity(0))


def client_core() -> int:
    """Return the core that load generators run on; another one, where there is another."""
    return max(os.sched_getaffinity(0))
