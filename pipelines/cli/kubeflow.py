"""``health-predict publish``, ``submit``, ``schedule`` and ``runs``: the pipeline on a cluster."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from components.errors import HealthPredictError, InputError
from pipelines.cli.options import Output, OutputOption, print_json

PIPELINE = "readmission-training"
_WIDEST = 120

HostOption = Annotated[
    str,
    typer.Option(
        envvar="HEALTH_PREDICT_KFP_HOST", help="URL of Kubeflow Pipelines' API or dashboard."
    ),
]
ParamOption = Annotated[
    list[str] | None, typer.Option(help="Pipeline parameter as name=value; may be repeated.")
]
BatchOption = Annotated[
    int | None, typer.Option(help="Newest batch to train on; 0 is the initial training.")
]
VersionOption = Annotated[str, typer.Option(help="Published version; the newest when not given.")]


def publish(
    file: Annotated[
        Path, typer.Argument(help="What health-predict compile --images wrote.")
    ] = Path("pipeline.yaml"),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="Write manifests instead, for a Kubeflow Pipelines that keeps pipelines in "
            "Kubernetes; the one of manifests/platform does not.",
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Of the manifests.")] = "kubeflow",
    host: HostOption = "",
) -> None:
    """Put a compiled pipeline where the dashboard finds it; the same content is one version."""
    from pipelines.package import Package

    package = Package.read(file)
    if output is not None:
        typer.echo(str(package.write_manifests(output, namespace)))
        return
    from pipelines.kubeflow import connect
    from pipelines.published import publish as upload

    found = upload(connect(host), host, package)
    typer.echo(f"{found.version}: {'published' if found.new else 'was there already'}")
    if found.newest:
        typer.echo(
            f"{found.newest} is newer, and taken where none is named; with submit and schedule: "
            f"--version {found.version}"
        )


def submit(
    param: ParamOption = None,
    batch: BatchOption = None,
    version: VersionOption = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,
    host: HostOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Start a run of the published pipeline on the cluster."""
    from pipelines import runs
    from pipelines.cli.arguments import cluster_arguments
    from pipelines.kubeflow import connect, run_page
    from pipelines.published import published

    arguments = cluster_arguments(param or [], batch)
    client = connect(host)
    found = published(client, host, PIPELINE, version)
    run_id = runs.submit(client, host, found, arguments, _run_name(arguments.get("data_batch", 0)))
    answer = {"run_id": run_id, "version": found.version, "page": run_page(host, run_id)}
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    ended = None
    if output is Output.TEXT:
        typer.echo("\n".join(f"{name:<9}{value}" for name, value in answer.items()))
    if wait:
        ended = runs.follow(client, host, run_id, lambda t, s: console.print(f"{s:<10}{t}"))
        answer["state"] = ended.state
    if output is Output.JSON:
        print_json(answer)
    if ended and ended.state != runs.SUCCEEDED:
        raise HealthPredictError(f"{ended.reason}; {answer['page']}")


def schedule(
    cron: Annotated[str, typer.Option(help="When, UTC: minute, hour, day, month, weekday.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Take the schedule away.")] = False,
    param: ParamOption = None,
    batch: BatchOption = None,
    version: VersionOption = "",
    host: HostOption = "",
) -> None:
    """Run the published pipeline by cron, in place of the schedule before."""
    if bool(cron) == delete:
        raise InputError("say when with --cron '0 3 * * 1', or --delete")
    from pipelines import schedules
    from pipelines.cli.arguments import cluster_arguments
    from pipelines.kubeflow import connect
    from pipelines.published import published

    if delete:
        count = schedules.unschedule(connect(host), host, PIPELINE)
        typer.echo(f"{PIPELINE}: {'schedule deleted' if count else 'had no schedule'}")
        return
    when, arguments = schedules.cron_of(cron), cluster_arguments(param or [], batch)
    client = connect(host)
    found = published(client, host, PIPELINE, version)
    made = schedules.schedule(client, host, found, when, arguments, PIPELINE)
    typer.echo(f"{found.version}: scheduled at {when} UTC, recurring run {made}")


def runs(
    most: Annotated[int, typer.Option("--most", min=1, help="How many, newest first.")] = 20,
    host: HostOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """List the runs on the cluster."""
    from dataclasses import asdict

    from pipelines.kubeflow import connect
    from pipelines.runs import list_runs

    found = list_runs(connect(host), host, most)
    if output is Output.JSON:
        print_json({"runs": [asdict(run) for run in found]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("run", "name", "state", "created"):
        table.add_column(name, no_wrap=True)
    for run in found:
        table.add_row(run.run_id, run.name, run.state, run.created)
    # Whole ids, however narrow the terminal: they are there to be pasted.
    Console(width=max(Console().width, _WIDEST)).print(table)


def _run_name(batch: int) -> str:
    now = datetime.datetime.now(datetime.UTC)
    return f"batch {batch}, {now:%Y-%m-%d %H:%M:%S}"
