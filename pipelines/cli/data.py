"""``health-predict data``: check, split, upload and draw data sets, and requests of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.ingest.synthetic.drifts import Drift
from pipelines.cli.options import DEFAULT_STATE, Output, OutputOption, StateOption
from pipelines.state import State

data = typer.Typer(help="Check, split, upload and draw data sets.", no_args_is_help=True)

SourceArgument = Annotated[
    str, typer.Argument(help="Path, folder of parquet parts, https://, s3:// or synthetic:...")
]
ChecksumOption = Annotated[
    str, typer.Option("--sha256", help="Checksum that the source must have.")
]
QuarantineShare = Annotated[
    float, typer.Option("--max-quarantine", help="Largest share of rows that may be set aside.")
]
PrefixOption = Annotated[str, typer.Option("--to", help="A folder, or s3://bucket/prefix.")]


@data.command()
def check(
    source: SourceArgument,
    sha256: ChecksumOption = "",
    max_quarantine: QuarantineShare = 0.01,
    report: Annotated[
        Path | None, typer.Option("--report", "-o", help="HTML file of the quality report.")
    ] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Parquet file of the rows that would be set aside.")
    ] = None,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Hold a source to the schema and say what was found; exit code 2 when it is refused."""
    from pipelines.cli.datasets import Named
    from pipelines.cli.datasets import check as check_named

    named = Named(source, sha256, max_quarantine)
    check_named(named, State.at(state), report, quarantine, output)


@data.command()
def split(
    source: SourceArgument,
    to: PrefixOption,
    sha256: ChecksumOption = "",
    max_quarantine: QuarantineShare = 0.01,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write processed_data/: reference, train, validation, test, batch-1 to batch-5."""
    from pipelines.cli.datasets import Named
    from pipelines.cli.datasets import split as split_named

    split_named(Named(source, sha256, max_quarantine), State.at(state), to, output)


@data.command()
def upload(
    file: Annotated[str, typer.Argument(help="A local file.")],
    to: PrefixOption,
    sha256: ChecksumOption = "",
    max_quarantine: QuarantineShare = 0.01,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a file, put it below raw_data/, and print the command that runs on it."""
    from pipelines.cli.datasets import Named
    from pipelines.cli.datasets import upload as upload_named

    upload_named(Named(file, sha256, max_quarantine), State.at(state), to, output)


@data.command()
def synth(
    rows: Annotated[int, typer.Option(help="Number of encounters.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File that ends in .csv, .csv.gz, .zip or .parquet.")
    ],
    seed: Annotated[int, typer.Option(help="Same rows, seed and drift: same file.")] = 0,
    drift: Annotated[
        Drift, typer.Option(help="How the later encounters differ; calendar: as in the real file.")
    ] = Drift.CALENDAR,
) -> None:
    """Draw a synthetic cohort from aggregates of the published file; no row is a patient's."""
    from pipelines.cli.datasets import synth as draw

    draw(rows, seed, drift, out)


@data.command()
def example(
    rows: Annotated[int, typer.Option(min=1, help="Number of encounters.")] = 1,
    seed: Annotated[int, typer.Option(help="Same rows and seed: same request.")] = 0,
) -> None:
    """Print a request of synthetic encounters, as :predict takes it."""
    from pipelines.cli.datasets import example as draw

    draw(rows, seed)
