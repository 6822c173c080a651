"""Ask a server for golden rows, one a request, and hold each answer to the bundle's own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from components.deployment.rollout import Limits
from components.errors import VerificationError
from components.registry import MODEL
from components.registry.bundle import Bundle

TIMEOUT_S = 10.0
ROUNDING = 1e-5
"""Largest difference of one row alone from the same row in a batch: float32 sums in another order.

That the numbers are right to 1e-6 is proven on the batch that the bundle was written with.
"""
_LEAST_REQUESTS = 10
_PAUSE_S = 0.01  # a watched server shares its cores with true requests


@dataclass(frozen=True, slots=True)
class Latency:
    """Single-row requests and the quantiles of their latency in milliseconds."""

    requests: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Probe:
    """Single-row requests to one server, which must answer as one version of one bundle."""

    client: httpx.Client
    bundle: Bundle
    version: str

    def some(self, limits: Limits) -> Latency:
        """Send as many requests as the limits say.

        Raises:
            VerificationError: an answer is wrong, or the 95th percentile is above its limit.
        """
        seconds = [self._seconds(number) for number in range(limits.requests)]
        return _within(seconds, limits)

    def during(self, seconds: float, limits: Limits) -> Latency:
        """Send requests for so long, with pauses, and at least ten.

        Raises:
            VerificationError: an answer is wrong, or the 95th percentile is above its limit.
        """
        end, found = time.monotonic() + seconds, list[float]()
        while time.monotonic() < end or len(found) < _LEAST_REQUESTS:
            found.append(self._seconds(len(found)))
            time.sleep(_PAUSE_S)
        return _within(found, limits)

    def _seconds(self, number: int) -> float:
        golden = self.bundle.golden
        place = number % len(golden.rows)
        body = {"instances": [dict(golden.rows[place])]}
        started = time.perf_counter()
        answer = self.client.post(f"/v1/models/{MODEL}:predict", json=body).raise_for_status()
        seconds = time.perf_counter() - started
        _check(answer.json(), self.version, golden.probabilities[place])
        return seconds


def _check(answer: Mapping[str, Any], version: str, wanted: float) -> None:
    if answer["model_version"] != version:
        raise VerificationError(f"answered as version {answer['model_version']}, wanted {version}")
    (prediction,) = answer["predictions"]
    difference = abs(prediction["probability"] - wanted)
    if not difference <= ROUNDING:  # a NaN fails too
        raise VerificationError(f"a golden row differs by {difference:.2e}, allowed {ROUNDING:.0e}")


def _within(seconds: list[float], limits: Limits) -> Latency:
    p50, p95 = (round(float(q) * 1000, 2) for q in np.quantile(seconds, [0.5, 0.95]))
    if p95 > limits.p95_ms:
        raise VerificationError(
            f"p95 of {len(seconds)} single-row requests is {p95} ms, allowed {limits.p95_ms:g} ms"
        )
    return Latency(len(seconds), p50, p95)
