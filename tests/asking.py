"""A client that asks the endpoint all the time, and holds every answer to the right one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from builders import random_rows
from serving_process import PREDICT

from components.deployment.probe import ROUNDING
from components.registry.bundle import Bundle

ROWS = random_rows(16, 99)
_SECONDS = 20.0


@dataclass
class Client:
    """What was answered, by version, and what went wrong.

    A version's answers are checked once its bundle is known; one that is not known is wrong.
    """

    url: str
    known: dict[str, list[float]] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def know(self, version: str, bundle: Bundle) -> None:
        """Say what a version must answer."""
        self.known[version] = bundle.score_rows(ROWS).tolist()

    def ask(self, client: httpx.Client, number: int) -> None:
        """Send one row, and check the answer."""
        place = number % len(ROWS)
        try:
            answer = client.post(self.url + PREDICT, json={"instances": [ROWS[place]]})
            said: dict[str, Any] = answer.raise_for_status().json()
            version, risk = said["model_version"], said["predictions"][0]["probability"]
            if abs(risk - self.known[version][place]) > ROUNDING:
                self.wrong.append(f"version {version}: {risk} for {self.known[version][place]}")
            self.answered[version] += 1
        except (httpx.HTTPError, KeyError, ValueError) as error:
            self.wrong.append(repr(error)[:200])


@contextmanager
def asking(url: str, bundles: Mapping[str, Bundle]) -> Iterator[Client]:
    """Ask until the block ends: on one kept connection, and on a new one for each request.

    Args:
        url: of the endpoint.
        bundles: by the versions that may answer.
    """
    asked, end = Client(url), threading.Event()
    for version, bundle in bundles.items():
        asked.know(version, bundle)

    def ask(kept: bool) -> None:
        number = 0
        with httpx.Client(trust_env=False, timeout=_SECONDS) as connection:
            while not end.is_set():
                if kept:
                    asked.ask(connection, number)
                else:
                    with httpx.Client(trust_env=False, timeout=_SECONDS) as fresh:
                        asked.ask(fresh, number)
                number += 1
                time.sleep(0.005)  # one core is left to what is tested

    threads = [threading.Thread(target=ask, args=(kept,)) for kept in (True, False)]
    try:
        for thread in threads:
            thread.start()
        yield asked
    finally:
        end.set()
        for thread in threads:
            thread.join()
