"""Verify a served model against its bundle: version, identity, numbers, latency."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from components.errors import VerificationError
from components.registry import MODEL
from components.registry.bundle import TOLERANCE, Bundle

LATENCY_REQUESTS = 100


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified server gave: differences are absolute, latencies of single rows in ms."""

    version: str
    v1_difference: float
    v2_difference: float
    p50_ms: float
    p95_ms: float


def verify_server(url: str, version: str, bundle: Bundle) -> Verified:
    """Ask a server for its version and for the bundle's golden rows in both protocols.

    Args:
        url: base URL of the server.
        version: the version that it must serve.
        bundle: the bundle that it must serve.

    Raises:
        VerificationError: it cannot be reached, or anything differs.
    """
    try:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            _check_identity(client, version, bundle)
            v1 = _difference(_v1(client, bundle.golden.rows, version), bundle, "V1")
            v2 = _difference(_v2(client, bundle, version), bundle, "V2")
            p50, p95 = _latency(client, bundle.golden.rows)
    except httpx.HTTPError as error:
        raise VerificationError(f"{url}: does not answer as it should: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise VerificationError(f"{url}: an answer is not of KServe's form: {error!r}") from error
    return Verified(version, v1, v2, p50, p95)


def tensors(bundle: Bundle, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return raw encounters as V2's columnar tensors."""
    return [
        {
            "name": column.name,
            "shape": [len(rows)],
            "datatype": "INT64" if column.is_integer else "BYTES",
            "data": [row[column.name] for row in rows],
        }
        for column in bundle.schema.features
    ]


def _check_identity(client: httpx.Client, version: str, bundle: Bundle) -> None:
    metadata = client.get(f"/v2/models/{MODEL}").raise_for_status().json()
    if metadata["versions"] != [version]:
        raise VerificationError(f"serves version {metadata['versions']}, wanted {version}")
    served = client.get(f"/v1/models/{MODEL}").raise_for_status().json()["bundle"]
    if served != bundle.digest:
        raise VerificationError(f"serves bundle {served[:12]}, wanted {bundle.digest[:12]}")


def _v1(client: httpx.Client, rows: Sequence[Any], version: str) -> list[float]:
    body = {"instances": [dict(row) for row in rows]}
    answer = client.post(f"/v1/models/{MODEL}:predict", json=body).raise_for_status().json()
    _expect(answer["model_version"], version)
    return [row["probability"] for row in answer["predictions"]]


def _v2(client: httpx.Client, bundle: Bundle, version: str) -> list[float]:
    body = {"inputs": tensors(bundle, bundle.golden.rows)}
    answer = client.post(f"/v2/models/{MODEL}/infer", json=body).raise_for_status().json()
    _expect(answer["model_version"], version)
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    return list(outputs["probability"])


def _expect(answered: str, version: str) -> None:
    if answered != version:
        raise VerificationError(f"answered as version {answered}, wanted {version}")


def _difference(served: list[float], bundle: Bundle, protocol: str) -> float:
    wanted = bundle.golden.probabilities
    if len(served) != len(wanted):
        raise VerificationError(f"{protocol}: {len(served)} answers for {len(wanted)} rows")
    difference = float(np.abs(np.array(served) - np.array(wanted)).max())
    if not difference <= TOLERANCE:
        raise VerificationError(
            f"{protocol}: golden rows differ by {difference:.2e}, allowed {TOLERANCE:.0e}"
        )
    return difference


def _latency(client: httpx.Client, rows: Sequence[Any]) -> tuple[float, float]:
    seconds = []
    for number in range(LATENCY_REQUESTS):
        body = {"instances": [dict(rows[number % len(rows)])]}
        started = time.perf_counter()
        client.post(f"/v1/models/{MODEL}:predict", json=body).raise_for_status()
        seconds.append(time.perf_counter() - started)
    p50, p95 = np.quantile(seconds, [0.5, 0.95]) * 1000
    return round(float(p50), 2), round(float(p95), 2)
