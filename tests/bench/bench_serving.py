"""Measure serving: the predictor beside KServe's own floor and a FastAPI app, in one run.

``make bench-serving DATA=...`` fits the product's XGBoost and the earlier system's pipeline on the
same rows, starts three servers on loopback, one worker and one core each, and loads them from
another core with real rows, about 200 different ones for single-row requests:

1. KServe's model server with a model of constants and quiet logs: what the framework itself costs;
2. this predictor, ``python -m serving``, as a user starts it;
3. FastAPI, a DataFrame, scikit-learn's transformers and XGBoost: the earlier system's kind.

It prints requests a second, latencies, and the server's CPU time a request, user and system; how
much of a core the load generator took, to tell when it was the bottleneck; the time from the start
of a process to its ready answer and its memory then (PSS); and the ratios with what they must be.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.serving_plan import Load, Measured, Plan, Protocol, Requests
from bench.serving_tables import BATCHED, BATCHES, MANY, STREAMED, Case, Disturbed, Results, report
from bench.serving_targets import (
    CONSTANT,
    FASTAPI,
    OURS,
    REQUESTS,
    ROOT,
    Running,
    running,
    targets,
)

STARTS = 3
WARM_UP_SECONDS = 1.0


def main() -> int:
    """Fit, start, load, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="csv or zip of encounters; else synthetic")
    parser.add_argument("--rows", type=int, default=40_000, help="to fit on; 40,000 at most")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        _set_up(folder, options.data, options.rows)
        starts = _started(folder, stack)
        bench = Bench(
            pickle.loads((folder / REQUESTS).read_bytes()),
            {name: servers[-1] for name, servers in starts.items()},
            options.seconds,
        )
        results = Results(starts, bench.measured(), bench.disturbed())
    print(f"{len(os.sched_getaffinity(0))} cores, {options.seconds:g} s each\n")
    print(report(results))
    return 0


@dataclass(frozen=True)
class Bench:
    """Servers that are ready, and what is sent to them for so many seconds each."""

    requests: Requests
    servers: Mapping[str, Running]
    seconds: float

    def measured(self) -> dict[Case, Measured]:
        """Measure each case by itself."""
        return {case: self._load(case).result() for case in cases() if self._served(case)}

    def disturbed(self) -> Disturbed:
        """Measure single rows while another client streams large batches, back to back.

        Raises:
            RuntimeError: the stream did not cover the whole measurement.
        """
        stream = self._load(STREAMED, longer=3 * WARM_UP_SECONDS)
        single = self._load(Case(OURS, Protocol.V1, 1, 1)).result()
        streamed = stream.result()
        if single.began < streamed.began or single.ended > streamed.ended:
            raise RuntimeError("the machine is too busy: the batches did not stream all the time")
        return Disturbed(single, streamed)

    def _served(self, case: Case) -> bool:
        return case.protocol in self.servers[case.target].target.ports

    def _load(self, case: Case, longer: float = 0.0) -> Load:
        _say(f"{case.target}, {case.protocol}: {case.rows} rows, {case.connections} connections")
        server = self.servers[case.target]
        return Load(
            Plan(
                pid=server.pid,
                port=server.target.ports[case.protocol],
                grpc=case.protocol is Protocol.GRPC,
                requests=self.requests[case.protocol, case.rows],
                connections=case.connections,
                warm_up=0.0 if longer else WARM_UP_SECONDS,
                seconds=self.seconds + longer,
            )
        )


def cases() -> Iterator[Case]:
    """Return what is measured; what is compared stands side by side, as machines drift."""
    for protocol in Protocol:
        for connections in (1, MANY):
            for target in (CONSTANT, OURS, FASTAPI):
                yield Case(target, protocol, 1, connections)
    for rows in BATCHES:
        yield Case(OURS, Protocol.V1, rows, BATCHED)
        yield Case(OURS, Protocol.V2, rows, BATCHED)
        yield Case(FASTAPI, Protocol.V1, rows, BATCHED)


def _set_up(folder: Path, data: Path | None, rows: int) -> None:
    _say("fitting")
    command = [sys.executable, "-m", "bench.serving_setup", str(folder), "--rows", str(rows)]
    more = ["--data", str(data.resolve())] if data else []
    subprocess.run([*command, *more], cwd=ROOT, check=True)


def _started(folder: Path, stack: ExitStack) -> dict[str, tuple[Running, ...]]:
    """Start each target a few times; the last start of each goes on serving."""
    starts = {}
    for target in targets(folder):
        _say(f"starting {target.name}")
        log, earlier = folder / f"{target.name}.log", []
        for _ in range(STARTS - 1):
            with running(target, log) as server:
                earlier.append(server)
        starts[target.name] = (*earlier, stack.enter_context(running(target, log)))
    return starts


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
