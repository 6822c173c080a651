"""The commands and their options."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from components.errors import HealthPredictError, InputError
from components.features.target import Target
from pipelines.cli.compile import compile_
from pipelines.cli.data import data
from pipelines.cli.kubeflow import publish, runs, schedule, submit
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

    endpoint = start(State.at(state), port)
    version = endpoint.answering.revision.version if endpoint.answering else "none"
    typer.echo(f"version {version} serves at {endpoint.url}")


@app.command()
def rollback(
    to: Annotated[
        str, typer.Option(help="Version to go back to; the previous one when not given.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "asked for by a person",
    at_once: Annotated[
        bool, typer.Option("--at-once", help="All requests in one step, once it is verified.")
    ] = False,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Put an earlier version back in production: verified as a canary, then step by step."""
    from pipelines.cli.rollback import rollback as go_back

    go_back(State.at(state), to, reason, output, at_once=at_once)


@app.command()
def history(state: StateOption = DEFAULT_STATE, output: OutputOption = Output.TEXT) -> None:
    """Show which version was in production when, and why it moved."""
    from pipelines.cli.history import history as show

    show(State.at(state), output)


@app.command()
def revision(
    version: Annotated[str, typer.Argument(help="Number of a registered version.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Print the InferenceService of a version, for kubectl apply -f -."""
    from pipelines.cli.rollback import revision_yaml

    sys.stdout.write(revision_yaml(State.at(state), version))


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of MLflow's pages.")] = 5000,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Open MLflow's pages on the runs of this machine."""
    from pipelines.cli.ui import serve_ui

    serve_ui(State.at(state), port)


app.command(name="compile")(compile_)
for _command in (publish, submit, schedule, runs):
    app.command()(_command)
