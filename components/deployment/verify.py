"""Verify a served model against its bundle: version, identity, numbers, latency, errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from components.deployment.probe import TIMEOUT_S, Latency, Probe
from components.deployment.rollout import Limits
from components.errors import VerificationError
from components.registry import MODEL
from components.registry.bundle import TOLERANCE, Bundle


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified server gave; differences from the golden rows are absolute."""

    version: str
    v1_difference: float
    v2_difference: float
    latency: Latency


@dataclass(frozen=True, slots=True)
class Watched:
    """A canary with a share of the requests: how probes fared, and how many true requests."""

    latency: Latency
    served: int


def verify_server(url: str, version: str, bundle: Bundle, limits: Limits) -> Verified:
    """Ask a server for its version and for the bundle's golden rows in both protocols.

    Args:
        url: base URL of the server.
        version: the version that it must serve.
        bundle: the bundle that it must serve.
        limits: requests that must succeed, and their latency.

    Raises:
        VerificationError: it cannot be reached, or anything differs.
    """
    with _asking(url) as client:
        _check_identity(client, version, bundle)
        v1 = _difference(_v1(client, bundle.golden.rows, version), bundle, "V1")
        v2 = _difference(_v2(client, bundle, version), bundle, "V2")
        return Verified(version, v1, v2, Probe(client, bundle, version).some(limits))


def watch_server(url: str, version: str, bundle: Bundle, seconds: float, limits: Limits) -> Watched:
    """Watch a server while it answers a share of the requests.

    Probes ask it for golden rows all the time; its own counters tell of the true requests.

    Raises:
        VerificationError: it cannot be reached, answered a probe wrongly or late, or answered any
            request with a server's error.
    """
    with _asking(url) as client:
        errors, served = _counters(client)
        latency = Probe(client, bundle, version).during(seconds, limits)
        errors_after, served_after = _counters(client)
        if errors_after > errors:
            raise VerificationError(
                f"answered {errors_after - errors:.0f} requests with a server's error"
            )
        return Watched(latency, max(0, int(served_after - served) - latency.requests))


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


@contextmanager
def _asking(url: str) -> Iterator[httpx.Client]:
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
            yield client
    except httpx.HTTPError as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VerificationError(f"{url}: does not answer as it should: {said}") from error
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise VerificationError(f"{url}: an answer is not of KServe's form: {error!r}") from error


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


def _counters(client: httpx.Client) -> tuple[float, float]:
    """Return how many requests a server has answered with an error of its own, and how many well.

    With several replicas it is one of them that tells.
    """
    text = client.get("/metrics").raise_for_status().text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    named = ("readmission_errors_total", "readmission_request_rows_count")
    errors, served = (sum(s.value for s in samples if s.name == name) for name in named)
    return errors, served
