"""One loaded bundle and what it says of a request: read, encode, score, some rows at a time."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.row import Values
from components.registry.bundle import Bundle, load_bundle
from serving.known import Batch
from serving.payload import MAX_BATCH, PayloadReader
from serving.runtime import Runtime
from serving.tensors import Tensor

Unseen = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Scored:
    """A request's encounters with their risks.

    Attributes:
        values: the feature values of each encounter, in the order of :attr:`Scorer.names`.
        probabilities: calibrated risks, shape ``(encounters,)``.
        identifiers: for each encounter, those that were sent.
        unseen: by open column, the values that training never saw.
    """

    values: list[Values]
    probabilities: NDArray[np.float64]
    identifiers: list[dict[str, int]]
    unseen: Unseen


Steps = Generator[None, None, Batch]
"""Reading in steps; between two of them the event loop may serve other requests."""

_LOW = 19
"""Priority of the thread: without it a row waits for the end of the thread's time slice, 3 ms."""
_ASIDE_ROWS = 256
"""Rows from which a thread is worth its start: they take the model a millisecond."""


class Scorer:
    """Scores requests with a proven bundle."""

    def __init__(self, directory: Path, max_batch: int = MAX_BATCH) -> None:
        """Load a bundle and replay its golden rows.

        Raises:
            BundleError: the bundle is altered or this runtime does not reproduce its numbers.
        """
        self.bundle: Bundle = load_bundle(directory)
        self.bundle.replay_golden()
        self.runtime = Runtime(self.bundle)
        self._reader = PayloadReader(self.bundle.schema, self.bundle.encoder, max_batch)
        self._thread = ThreadPoolExecutor(1, "score", _yield_the_core)

    @property
    def names(self) -> tuple[str, ...]:
        """The feature columns, in the order of a scored encounter's values."""
        return self._reader.names

    def instances(self, body: Any) -> Steps:
        """Read a V1 body.

        Raises:
            RequestError: the body is not what the schema allows, or has too many rows.
        """
        return joined(self._reader.read_instances(body))

    def pieces(self, pieces: Iterable[list[Any]]) -> Steps:
        """Read the instances of a V1 body, some at a time; raises as :meth:`instances`."""
        return joined(self._reader.read_pieces(pieces))

    def tensors(self, tensors: Sequence[Tensor]) -> Steps:
        """Read the input tensors of a V2 request; raises as :meth:`instances`."""
        return joined(self._reader.read_tensors(tensors))

    def score(self, batch: Batch) -> Scored:
        """Score the encounters of a request."""
        return _scored(batch, self.runtime.score(batch.matrix))

    async def score_aside(self, batch: Batch) -> Scored:
        """Score them in a thread when they are many: the model needs no interpreter."""
        if len(batch.values) < _ASIDE_ROWS:
            return self.score(batch)
        matrix, loop = batch.matrix, asyncio.get_running_loop()
        risks = await loop.run_in_executor(self._thread, self.runtime.score, matrix)
        return _scored(batch, risks)


def _yield_the_core() -> None:
    """Let this thread wait whenever the event loop's has work and both share a core."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW)


def at_once(steps: Steps) -> Batch:
    """Take all steps without a pause."""
    while (batch := _stepped(steps)) is None:
        pass
    return batch


async def in_turns(steps: Steps) -> Batch:
    """Take the steps; other requests get their turn between two of them."""
    while (batch := _stepped(steps)) is None:
        await asyncio.sleep(0)
    return batch


def _stepped(steps: Steps) -> Batch | None:
    """Take a step; return what was read once there is none left."""
    try:
        next(steps)
    except StopIteration as end:
        batch: Batch = end.value
        return batch
    return None


def joined(batches: Iterable[Batch]) -> Steps:
    """Join batches as they are read."""
    whole = Batch()
    for number, batch in enumerate(batches):
        if number:
            yield
        whole.extend(batch)
    return whole


def _scored(batch: Batch, risks: NDArray[np.float64]) -> Scored:
    unseen = {column: sorted(found) for column, found in batch.unseen.items()}
    return Scored(batch.values, risks, batch.identifiers, unseen)
