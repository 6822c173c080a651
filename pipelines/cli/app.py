"""The commands and their options."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import HealthPredictError, InputError
from components.features.target import Target
from pipelines.cli.data import data
from pipelines.cli.options import DEFAULT_STATE, Output, OutputOption, StateOption
from pipelines.state import State

_USERS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)

app = typer.Typer(
    name="health-predict",
    help="Keep one model of hospital readmission in production.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line; an error of the project's is one line and its exit code."""
    try:
        app()
    except HealthPredictError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _USERS_DISK:
            raise
        where = error.filename or "the disk"
        sys.stderr.write(f"error: {where}: {error.strerror}; mend that and run again\n")
        sys.exit(InputError.exit_code)


@app.command()
def run(
    data: Annotated[
        str, typer.Option(help="Path, https://, s3://, or synthetic:rows=N&seed=S.")
    ] = "",
    sha256: Annotated[str, typer.Option(help="Checksum that the file must have.")] = "",
    batch: Annotated[int, typer.Option(help="0, the initial training, or 1 to 5.")] = 0,
    target: Annotated[Target, typer.Option(help="What is predicted.")] = Target.ANY,
    port: Annotated[int, typer.Option(help="Port of the endpoint; 0 takes a free one.")] = 0,
    param: Annotated[
        list[str] | None, typer.Option(help="Pipeline parameter as name=value; may be repeated.")
    ] = None,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run the whole pipeline on this machine, from the raw file to the served model."""
    from pipelines.cli.run import RunRequest, parse_parameters
    from pipelines.cli.run import run as run_all

    parameters = {"target": target.value, **parse_parameters(param or [])}
    request = RunRequest(data, sha256, batch, port, parameters)
    raise typer.Exit(run_all(request, State.at(state), output))


@app.command()
def status(state: StateOption = DEFAULT_STATE, output: OutputOption = Output.TEXT) -> None:
    """Show what serves, what the registry says, and how the last run ended."""
    from pipelines.cli.serving import status as show

    show(State.at(state), output)


@app.command()
def stop(state: StateOption = DEFAULT_STATE) -> None:
    """Stop the run in progress and the endpoint."""
    from pipelines.cli.serving import stop as stop_all

    stop_all(State.at(state))


@app.command()
def logs(
    run_id: Annotated[str, typer.Argument(help="A run; the last one when not given.")] = "",
    server: Annotated[bool, typer.Option("--server", help="The endpoint's log instead.")] = False,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Print the log of a run, or of the endpoint."""
    from pipelines.cli.logs import log_of

    sys.stdout.write(log_of(State.at(state), run_id, server=server).read_text("utf-8", "replace"))


@app.command()
def predict(
    file: Annotated[str, typer.Argument(help="JSON file with raw encounters; - reads stdin.")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Send raw encounters to the endpoint."""
    from pipelines.cli.predict import predict as send

    send(State.at(state), file, output)


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port of the endpoint; 0 takes a free one.")] = 0,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Start the endpoint again with the production version, for example after a restart."""
    from pipelines.cli.serving import serve as start

    server = start(State.at(state), port)
    typer.echo(f"version {server.version} serves at {server.url}")


@app.command(name="compile")
def compile_(
    output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")] = Path(
        "pipeline.yaml"
    ),
) -> None:
    """Compile the pipeline to YAML."""
    from pipelines.compile import compile_training

    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output}: name a .yaml file")
    compile_training(output)
    typer.echo(str(output))


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of MLflow's pages.")] = 5000,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Open MLflow's pages on the runs of this machine."""
    from pipelines.cli.ui import serve_ui

    serve_ui(State.at(state), port)
