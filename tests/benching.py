"""What the benches share: a file's encounters, the memory of a process tree, a Markdown table."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.reader import read_batches
from components.ingest.split import ENDED_IN_DEATH_OR_HOSPICE
from components.ingest.validate import Validator
from components.schema import Column, encounter_schema

SAMPLE_SECONDS = 0.5


def usable(table: pa.Table) -> pa.Table:
    """Return the encounters that did not end in death or hospice."""
    ended = pa.array(ENDED_IN_DEATH_OR_HOSPICE)
    return table.filter(pc.invert(pc.is_in(table["discharge_disposition_id"], ended)))


def read_file(path: Path) -> pa.Table:
    """Return a file's good encounters, typed as ingest types them."""
    schema = encounter_schema()
    validator = Validator(schema)
    parts = [part.good for b in read_batches(path, schema) if (part := validator.check(b))]
    typed = pa.Table.from_batches(parts)
    return typed.cast(pa.schema([(column.name, _plain(column)) for column in schema]))


class Peak:
    """The largest sum of proportional set sizes seen, in bytes."""

    bytes = 0

    @property
    def gib(self) -> float:
        """The same in GiB."""
        return self.bytes / 2**30


@contextmanager
def peak_memory(pid: int) -> Iterator[Peak]:
    """Sample the memory of a process and all its children while the block runs.

    Proportional set size: a page that several processes share counts once.
    """
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while True:
            peak.bytes = max(peak.bytes, _tree_bytes(pid))
            if over.wait(SAMPLE_SECONDS):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _tree_bytes(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for member in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_full_info().pss
    return total


def _plain(column: Column) -> pa.DataType:
    return pa.int64() if column.is_integer else pa.string()
