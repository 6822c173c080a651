"""A rolling restart under load."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
from builders import random_rows
from serving_process import PREDICT, Served, serving

CLIENTS = 6
RESTARTS = 3
AMONG_REQUESTS = 100


class Endpoints:
    """The ready servers, as a Kubernetes Service knows them."""

    def __init__(self) -> None:
        self._urls: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def add(self, served: Served) -> None:
        with self._lock:
            self._urls = (*self._urls, str(served.client.base_url))

    def remove(self, served: Served) -> None:
        with self._lock:
            self._urls = tuple(url for url in self._urls if url != str(served.client.base_url))

    def pick(self, number: int) -> str:
        with self._lock:
            return self._urls[number % len(self._urls)]


class Load:
    """Clients that keep their connections and send one request after another."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.answered, self._over, self._endpoints = 0, threading.Event(), endpoints
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._clients = [self._pool.submit(self._send, number) for number in range(CLIENTS)]

    def wait(self, more: int) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.answered + more
        while self.answered < wanted:
            for client in self._clients:
                if client.done():
                    client.result()
            time.sleep(0.005)

    def end(self) -> None:
        self._over.set()
        for client in self._clients:
            client.result()
        self._pool.shutdown()

    def _send(self, number: int) -> None:
        body = {"instances": random_rows(1, seed=number)}
        with httpx.Client(timeout=30) as client:
            while not self._over.is_set():
                client.post(
                    f"{self._endpoints.pick(number)}{PREDICT}", json=body
                ).raise_for_status()
                self.answered += 1


def test_a_rolling_restart_under_load_loses_no_request(tmp_path: Path) -> None:
    endpoints = Endpoints()
    with ExitStack() as stack:
        old = started(stack, tmp_path / "0", endpoints)
        load = Load(endpoints)
        for turn in range(1, RESTARTS + 1):
            new = started(stack, tmp_path / str(turn), endpoints)
            load.wait(AMONG_REQUESTS)
            endpoints.remove(old[0])
            old[1].send_signal(signal.SIGTERM)
            assert old[1].wait(30) == 0
            load.wait(AMONG_REQUESTS)
            old = new
        load.end()
    assert load.answered >= 2 * RESTARTS * AMONG_REQUESTS


def started(
    stack: ExitStack, folder: Path, endpoints: Endpoints
) -> tuple[Served, subprocess.Popen[bytes]]:
    folder.mkdir()
    served, server = stack.enter_context(serving(folder))
    endpoints.add(served)
    return served, server


def test_a_server_that_drains_is_not_ready_and_still_answers(tmp_path: Path) -> None:
    body = {"instances": random_rows(1, seed=50)}
    with serving(tmp_path, "--drain-seconds", "20") as (served, server):
        with httpx.Client(base_url=served.client.base_url, timeout=30) as idle:
            idle.get("/v2/health/live")
            served.post(PREDICT, body)
            server.send_signal(signal.SIGTERM)
            while (ready := served.client.get("/v2/models/readmission/ready")).is_success:
                time.sleep(0.01)
            assert ready.status_code == 503
            assert served.client.get("/v1/models/readmission").status_code == 503
            answer = served.post(PREDICT, body)
            assert answer.is_success
            assert answer.headers["connection"] == "close"
            assert server.poll() is None, "it must wait for the idle client's connection"
        assert server.wait(15) == 0, "it must not wait once no connection is left"
