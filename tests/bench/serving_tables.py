"""What the serving bench prints: the ratios with what they must be, then what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.serving_plan import Measured, Protocol
from bench.serving_targets import CONSTANT, FASTAPI, OURS, Running
from benching import markdown

MANY = 16
"""Connections of a busy server that is asked for single rows."""
BATCHES = {100: 8, 1000: 6}
"""By how much cheaper a batch of so many rows must be than the FastAPI app's."""
BATCHED = 4
"""Connections that send batches."""

Line = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What is measured: requests of so many rows at so many connections."""

    target: str
    protocol: Protocol
    rows: int
    connections: int


STREAMED = Case(OURS, Protocol.V1, max(BATCHES), 1)
"""What another client sends while single rows are measured."""


@dataclass(frozen=True)
class Disturbed:
    """Single rows, and the batches that were streamed at the same time."""

    single: Measured
    streamed: Measured


@dataclass(frozen=True)
class Results:
    """All that was measured."""

    starts: Mapping[str, tuple[Running, ...]]
    loads: Mapping[Case, Measured]
    disturbed: Disturbed


def report(results: Results) -> str:
    """Return the tables."""
    return "\n\n".join(
        (
            markdown(("what", "ours", "beside", "ratio", "must"), list(_ratios(results))),
            markdown(
                ("target", "single rows by", f"requests/s at {MANY}", "p50 / p99 ms at 1",
                 f"p50 / p99 ms at {MANY}", "server CPU us a request", "client, of a core"),
                list(_singles(results)),
            ),
            markdown(
                ("rows", "target", "by", "requests/s", "p50 / p99 ms", "server CPU ms a request",
                 "client, of a core"),
                list(_batches(results)),
            ),
            markdown(
                ("target", "start to ready, s: best", "median", "memory when ready, MiB (PSS)"),
                [_start(name, starts) for name, starts in results.starts.items()],
            ),
        )
    )  # fmt: skip


def _ratios(results: Results) -> Iterator[Line]:
    loads = results.loads
    ours, app = (loads[Case(name, Protocol.V1, 1, MANY)] for name in (OURS, FASTAPI))
    yield (f"V1 single rows, requests/s at {MANY} connections", f"{ours.rate:,.0f}",
           f"FastAPI {app.rate:,.0f}", f"{ours.rate / app.rate:.0f}x", ">= 60x")  # fmt: skip
    for protocol, most in ((Protocol.V1, 1.0), (Protocol.V2, 1.3), (Protocol.GRPC, 1.3)):
        yield _floor(loads, protocol, most)
    for rows, times in BATCHES.items():
        yield _batch(loads, Protocol.V1, rows, f"<= 1/{times}")
        yield _batch(loads, Protocol.V2, rows, "")
    yield _beside_batches(loads, results.disturbed)
    p50, p99 = ours.quantile_ms(0.5), ours.quantile_ms(0.99)
    yield (f"V1 single rows at {MANY} connections, ms: p99 / p50", f"{p99:.2f}", f"p50 {p50:.2f}",
           f"{p99 / p50:.1f}x", "<= 4x")  # fmt: skip
    best, median, memory = _start(OURS, results.starts[OURS])[1:]
    yield ("memory when ready, MiB (PSS)", memory, "", "", "<= 300")
    yield ("process start to ready, s: best / median", f"{best} / {median}", "", "", "<= 4")


def _floor(loads: Mapping[Case, Measured], protocol: Protocol, most: float) -> Line:
    """Compare the CPU of a single row with that of KServe's constants."""
    what, must = f"{protocol} single rows, server CPU us a request", f"<= {most:.1f}x"
    floor = loads[Case(CONSTANT, protocol, 1, MANY)].cpu_us
    ours = loads[Case(OURS, protocol, 1, MANY)].cpu_us
    return what, f"{ours:.0f}", f"KServe constant {floor:.0f}", f"{ours / floor:.2f}x", must


def _batch(loads: Mapping[Case, Measured], protocol: Protocol, rows: int, must: str) -> Line:
    """Compare the CPU of a batch with that of the FastAPI app, which knows V1 only."""
    ours = loads[Case(OURS, protocol, rows, BATCHED)].cpu_us / 1e3
    app = loads[Case(FASTAPI, Protocol.V1, rows, BATCHED)].cpu_us / 1e3
    what = f"{protocol} {rows:,} rows, server CPU ms a request"
    return what, f"{ours:.2f}", f"FastAPI {app:.1f}", f"1/{app / ours:.1f}", must


def _beside_batches(loads: Mapping[Case, Measured], found: Disturbed) -> Line:
    p99 = found.single.quantile_ms(0.99)
    idle = loads[Case(OURS, Protocol.V1, 1, 1)].quantile_ms(0.99)
    what = f"V1 single rows while {STREAMED.rows:,}-row batches stream, p99 ms at 1 connection"
    beside = f"idle {idle:.2f}, with {found.streamed.rate:.0f} batches/s"
    return what, f"{p99:.2f}", beside, f"{p99 / idle:.1f}x", "<= 5x"


def _singles(results: Results) -> Iterator[Line]:
    for case, busy in results.loads.items():
        if (case.rows, case.connections) == (1, MANY):
            alone = results.loads[Case(case.target, case.protocol, 1, 1)]
            yield (case.target, case.protocol, f"{busy.rate:,.0f}", _latencies(alone),
                   _latencies(busy), f"{busy.cpu_us:,.0f}", f"{busy.client_share:.0%}")  # fmt: skip


def _batches(results: Results) -> Iterator[Line]:
    for case, found in results.loads.items():
        if case.rows in BATCHES:
            yield (f"{case.rows:,}", case.target, case.protocol, f"{found.rate:,.0f}",
                   _latencies(found), f"{found.cpu_us / 1e3:.2f}",
                   f"{found.client_share:.0%}")  # fmt: skip


def _start(name: str, starts: tuple[Running, ...]) -> Line:
    seconds = [start.seconds for start in starts]
    memory = max(start.mebibytes for start in starts)
    return name, f"{min(seconds):.2f}", f"{statistics.median(seconds):.2f}", f"{memory:.0f}"


def _latencies(measured: Measured) -> str:
    return f"{measured.quantile_ms(0.5):.2f} / {measured.quantile_ms(0.99):.2f}"
