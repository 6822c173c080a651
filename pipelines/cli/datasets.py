"""``health-predict data check | split | upload | synth``: what they do and print."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.errors import InputError
from components.ingest.datasets import Checkup, check_dataset, split_dataset
from components.ingest.layout import DataPrefix
from components.ingest.step import Source, check_share, open_source
from components.ingest.synthetic import Drift, synthesise
from components.ingest.synthetic.write import check_kind, write_cohort
from components.schema import encounter_schema
from pipelines.cli.options import Output, print_json
from pipelines.state import State


@dataclass(frozen=True)
class Named:
    """The data that a command is about.

    Attributes:
        uri: path or URI.
        sha256: checksum expected of it; empty when unknown.
        max_quarantine: largest share of rows that may be set aside.
    """

    uri: str
    sha256: str
    max_quarantine: float

    def open(self, state: State) -> Source:
        """Open the source, downloads kept in the state folder's cache."""
        check_share(self.max_quarantine)
        return open_source(self.uri, self.sha256, state.root / "cache", encounter_schema())


def check(
    named: Named, state: State, page: Path | None, quarantine: Path | None, output: Output
) -> None:
    """Hold a source to the schema and print what was found.

    Raises:
        InputError: the schema refuses the source, or a file cannot be written there.
    """
    for file in (page, quarantine):
        if file and not file.parent.is_dir():
            raise InputError(f"{file}: the folder {file.parent} does not exist")
    found = check_dataset(named.open(state), named.max_quarantine, page, quarantine)
    _show(found, output)


def split(named: Named, state: State, to: str, output: Output) -> None:
    """Write a source's tables below a prefix and print where they are.

    Raises:
        InputError: the schema refuses the source, or the prefix cannot be written to.
    """
    prefix, written = DataPrefix(to), {}
    console = Console(stderr=True)

    def say(uri: str, rows: int) -> None:
        written[uri] = rows
        console.print(f"{rows:>12,}  {uri}", soft_wrap=True, highlight=False)

    found = split_dataset(named.open(state), named.max_quarantine, prefix, say)
    _show(found, output, tables=written)


def upload(named: Named, state: State, to: str, output: Output) -> None:
    """Check a local file, put it below a prefix, and print the URI to run on.

    Raises:
        InputError: it is no local file, the schema refuses it, or the prefix cannot be written to.
    """
    file = Path(named.uri)
    if not file.is_file():
        raise InputError(f"{named.uri}: no such file; upload takes one local file")
    prefix = DataPrefix(to)
    found = check_dataset(named.open(state), named.max_quarantine, None, None)
    uri = prefix.raw(file.name)
    prefix.put(file, uri)
    _show(found, output, uri=uri)


def synth(rows: int, seed: int, drift: Drift, file: Path) -> None:
    """Draw a synthetic cohort, write it, and print what it took.

    Raises:
        InputError: no rows are asked for, or the file cannot be written there.
    """
    check_kind(file)
    started = time.monotonic()
    table = synthesise(rows, seed, drift)
    seconds = time.monotonic() - started
    write_cohort(table, file)
    print(f"{file}: {rows:,} synthetic encounters, drift {drift}, {rows / seconds:,.0f} rows/s")


def example(rows: int, seed: int) -> None:
    """Print a request of synthetic encounters: what a model reads, and no identifier."""
    names = [column.name for column in encounter_schema().features]
    print_json({"instances": synthesise(rows, seed).select(names).to_pylist()})


def _show(found: Checkup, output: Output, **more: object) -> None:
    if output is Output.JSON:
        print_json({**asdict(found), **more})
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("source", found.source)
    table.add_row("sha256", found.sha256)
    table.add_row("encounters", f"{found.rows:,}")
    table.add_row("left out", f"{found.removed:,} ended in death or hospice")
    table.add_row("set aside", _listed(found.set_aside, found.rules))
    table.add_row("unlisted", _listed(sum(found.unlisted.values()), found.unlisted))
    table.add_row("missing", _listed(sum(found.missing.values()), found.missing))
    if uri := more.get("uri"):
        table.add_row("uploaded to", str(uri))
    Console().print(table)
    if uri:
        print(f"\nhealth-predict run --data {uri} --sha256 {found.sha256}")


def _listed(total: int, counts: dict[str, int]) -> str:
    parts = [f"{name} {count:,}" for name, count in counts.items() if count]
    return f"{total:,}" + (f": {', '.join(parts)}" if parts else "")
