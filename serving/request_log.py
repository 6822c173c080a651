"""A sample of what was asked and answered, as parquet parts, for watching drift. Off by default.

Raw encounters with their risks, never an identifier. A part is written by a thread of its own and
gets its name when it is whole; a full disk costs rows of the log, never an answer.
"""

from __future__ import annotations

import random
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter

from components.errors import InputError
from components.features.row import Values
from components.registry.bundle import Bundle
from serving.logs import logger
from serving.scoring import Scored

if TYPE_CHECKING:
    from pandas import DataFrame

PART_ROWS = 1_000
PART_SECONDS = 60.0

LOST = Counter("readmission_log_rows_lost", "Sampled encounters that could not be written")
_Logged = tuple[Values, float, float]


class RequestLog:
    """Collects sampled encounters and writes a part when enough or old enough."""

    def __init__(
        self, folder: Path, share: float, names: tuple[str, ...], bundle: Bundle, version: str
    ) -> None:
        """Take a share of the encounters, drawn at random.

        Raises:
            InputError: the folder cannot be written to.
        """
        _check_folder(folder)
        self._folder, self._share, self._version = folder, share, version
        self._names, self._bundle = names, bundle
        self._columns = [bundle.schema[name] for name in names]
        self._draw, self._rows, self._since = random.Random(), list[_Logged](), time.monotonic()
        self._writer = ThreadPoolExecutor(1, "request-log")

    def add(self, scored: Scored) -> None:
        """Take a sample of a request's encounters."""
        now = time.time()
        for values, risk in zip(scored.values, scored.probabilities.tolist(), strict=True):
            if self._draw.random() < self._share:
                self._rows.append((values, risk, now))
        old = time.monotonic() - self._since >= PART_SECONDS
        if len(self._rows) >= PART_ROWS or (old and self._rows):
            self._writer.submit(self._write, self._taken())

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._writer.submit(self._write, self._taken())
        self._writer.shutdown()

    def _taken(self) -> list[_Logged]:
        rows, self._rows, self._since = self._rows, [], time.monotonic()
        return rows

    def _write(self, rows: list[_Logged]) -> None:
        from fastparquet import write

        name = f"part-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:12]}"
        partial, whole = (self._folder / f"{name}.{end}" for end in ("partial", "parquet"))
        try:
            write(str(partial), self._frame(rows), write_index=False)
            partial.rename(whole)
        except OSError as error:
            LOST.inc(len(rows))
            logger.error("the request log lost %d rows: %s", len(rows), error.strerror)
            partial.unlink(missing_ok=True)

    def _frame(self, rows: list[_Logged]) -> DataFrame:
        from pandas import DataFrame, to_datetime

        values, risks, times = zip(*rows, strict=True)
        columns = zip(self._columns, zip(*values, strict=True), strict=True)
        threshold = self._bundle.facts.threshold
        return DataFrame(
            {
                **{c.name: [*v] for c, v in columns},
                "probability": risks,
                "predicted_readmitted": [risk >= threshold for risk in risks],
                "time": to_datetime(times, unit="s", utc=True),
                "model_version": self._version,
                "bundle": self._bundle.digest,
            }
        )


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"--log-dir {folder}: {error.strerror}; choose a folder that can be written to"
        ) from None
