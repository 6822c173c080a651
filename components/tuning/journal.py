"""The record of a search's ended trials, from which an interrupted search goes on.

Ray's own ``Tuner.restore`` reads a snapshot that is written now and then and holds pickled objects
of Ray's; what ended since the last snapshot is lost, and a trial without checkpoints starts again.
A line of JSON for each ended trial, on the disk before the next one starts, loses at most the
trials in progress and depends on no library's version.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from components.tuning.family import Family, Matrices
from components.tuning.space import distributions
from components.tuning.trial import TrialResult


class Journal:
    """Ended trials of one search in ``folder``; opens the record of an interrupted one.

    Attributes:
        trials: those ended so far, in the order in which they ended.
        seconds: that the search has taken up to the last of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "trials.jsonl"
        self.trials: list[TrialResult] = []
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    def append(self, trial: TrialResult, seconds: float) -> None:
        """Write an ended trial and the search's seconds so far to the disk."""
        line = json.dumps({"trial": asdict(trial), "seconds": seconds})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
        self.trials.append(trial)
        self.seconds = seconds

    def remove(self) -> None:
        """Remove the record: the search's result is safe elsewhere."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> None:
        if not self._path.exists():
            return
        size = 0
        for line in self._path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):  # the process ended while it wrote
                break
            content = json.loads(line)
            self.trials.append(_trial(content["trial"]))
            self.seconds = float(content["seconds"])
            size += len(line)
        os.truncate(self._path, size)


def search_digest(
    families: tuple[Family, ...], data: Matrices, trials: int, seconds: float, seed: int
) -> str:
    """Return what names a search: the digest of its rows, spaces, budget and seed."""
    digest = hashlib.sha256(f"{trials} {seconds} {seed}".encode())
    for family in families:
        facts = (family.name, family.resource, family.patience, family.grace, family.share)
        digest.update(repr((facts, family.start, distributions(family))).encode())
    for field in fields(data):
        array = np.ascontiguousarray(getattr(data, field.name))
        digest.update(f"{field.name} {array.shape} {array.dtype}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _trial(content: dict[str, Any]) -> TrialResult:
    curve = tuple((int(resource), float(auc)) for resource, auc in content["curve"])
    return TrialResult(**{**content, "curve": curve})
