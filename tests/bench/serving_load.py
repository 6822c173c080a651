"""The load generator: a process that reads a plan, keeps its connections busy, writes what it saw.

Own code because what PyPI has (locust, molotov) costs more CPU a request than the servers measured
here, speaks no gRPC and rotates no raw bodies; this costs about 20 us a request over HTTP.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import pickle
import sys
import time
from array import array
from collections.abc import Iterator
from typing import cast

import grpc.aio
import numpy as np
import psutil
import uvloop
from bench.serving_plan import HOST, Measured, Plan, client_core

INFER = "/inference.GRPCInferenceService/ModelInfer"
PATIENCE_SECONDS = 20.0
"""How long the last answers may take."""

_HEAD_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 "
_LENGTH = b"content-length:"
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


def main() -> int:
    """Measure the plan on standard input and write the outcome to standard output."""
    plan = pickle.load(sys.stdin.buffer)
    assert isinstance(plan, Plan)
    os.sched_setaffinity(0, {client_core()})
    gc.disable()  # a collection here would count as the server's latency
    run = asyncio.run if plan.grpc else uvloop.run
    pickle.dump(run(measure(plan)), sys.stdout.buffer)
    return 0


async def measure(plan: Plan) -> Measured:
    """Load the server, warm up, measure, and let the last answers come.

    Raises:
        ExceptionGroup: an answer was not 200, or a connection ended.
    """
    window = Window(plan)
    talk = _talk_grpc if plan.grpc else _talk_http
    requests = itertools.cycle(plan.requests)
    async with asyncio.timeout(plan.warm_up + plan.seconds + PATIENCE_SECONDS):
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.connections):
                group.create_task(talk(plan.port, requests, window))
            group.create_task(window.run())
    return window.measured()


class Window:
    """The time that is measured: what is answered in it counts."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._server = psutil.Process(plan.pid)
        self._client = psutil.Process()
        self._latencies = array("d")
        self._marks: list[tuple[float, float, float]] = []
        self._open = False
        self.over = False

    async def run(self) -> None:
        """Open after the warm-up; close after the seconds that are measured."""
        await asyncio.sleep(self._plan.warm_up)
        self._mark()
        self._open = True
        await asyncio.sleep(self._plan.seconds)
        self._open, self.over = False, True
        self._mark()

    def count(self, seconds: float) -> None:
        """Count an answer that took so long."""
        if self._open:
            self._latencies.append(seconds)

    def measured(self) -> Measured:
        """Return what was counted."""
        (began, server, client), (ended, server_then, client_then) = self._marks
        spent = server_then - server, client_then - client
        return Measured(np.array(self._latencies), began, ended, *spent)

    def _mark(self) -> None:
        self._marks.append((time.monotonic(), _spent(self._server), _spent(self._client)))


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next; reads of HTTP what it must."""

    def __init__(self, requests: Iterator[bytes], window: Window) -> None:
        self._requests = requests
        self._window = window
        self._received = bytearray()
        self._expected = 0
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            end = self._received.find(_HEAD_END)
            if end < 0:
                return
            self._expected = end + len(_HEAD_END) + _length(self._received, end)
        if len(self._received) >= self._expected:
            self._answered()

    def connection_lost(self, error: Exception | None) -> None:
        if self._window.over and error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error or ConnectionError("the server hung up"))

    def _answered(self) -> None:
        self._window.count(time.monotonic() - self._sent)
        if self._window.over:
            self._transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self._received.clear()
        self._expected = 0
        self._sent = time.monotonic()
        self._transport.write(next(self._requests))


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _length(answer: bytearray, end: int) -> int:
    """Return the length of an answer's body.

    Raises:
        ValueError: its status is not 200, or it does not say its length.
    """
    head = bytes(answer[:end])
    if not head.startswith(_OK):
        raise ValueError(f"the server answered {bytes(answer[:400])!r}")
    _, found, rest = head.lower().partition(_LENGTH)
    if not found:
        raise ValueError(f"an answer without a length: {head!r}")
    return int(rest.split(b"\r\n", 1)[0])


async def _talk_http(port: int, requests: Iterator[bytes], window: Window) -> None:
    connection = _Connection(requests, window)
    await asyncio.get_running_loop().create_connection(lambda: connection, HOST, port)
    await connection.ended


async def _talk_grpc(port: int, requests: Iterator[bytes], window: Window) -> None:
    """Send messages that are bytes already: the client neither writes nor reads protobuf."""
    async with grpc.aio.insecure_channel(f"{HOST}:{port}", options=_OWN_CONNECTION) as channel:
        infer = channel.unary_unary(INFER)
        while not window.over:
            sent = time.monotonic()
            await infer(next(requests), wait_for_ready=True)
            window.count(time.monotonic() - sent)


if __name__ == "__main__":
    sys.exit(main())
