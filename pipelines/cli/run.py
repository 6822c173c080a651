"""``health-predict run``: the whole pipeline on this machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from components.deployment.local.endpoint import EndpointFile
from components.deployment.local.ports import free_port
from components.deployment.rollout import DEFAULT_STEPS, parse_steps
from components.errors import HealthPredictError, InputError
from components.ingest.split import check_batch
from components.registry import MODEL
from pipelines.cli.display import RunDisplay, result_table, shown_path
from pipelines.cli.options import Output, print_json
from pipelines.process import run_pipeline
from pipelines.results import Decision, RunResult, assemble, read_events
from pipelines.source import choose_source
from pipelines.state import RunFolder, State


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for.

    Attributes:
        data: URI or path; empty for the published archive.
        sha256: checksum expected of it; empty when unknown.
        batch: number of the newest batch, 0 to 5.
        port: of the endpoint; 0 for any free one.
        parameters: of the pipeline, over its defaults.
    """

    data: str
    sha256: str
    batch: int
    port: int
    parameters: dict[str, Any]


def run(request: RunRequest, state: State, output: Output) -> int:
    """Run the pipeline, show its progress, print its result.

    Returns:
        The exit code: 0 for promoted or rightly refused, 2 for bad input, 1 for a failure.
    """
    console = Console(stderr=True)
    try:
        with FileLock(state.lock, timeout=0):
            result, folder = _run(request, state, console)
    except Timeout:
        raise HealthPredictError(
            f"another run is in progress in {state.root}; see health-predict status"
        ) from None
    _answer(result, folder, state, output, console)
    return result.exit_code


def _run(request: RunRequest, state: State, console: Console) -> tuple[RunResult, RunFolder]:
    _check_interpreter()
    check_batch(request.batch)
    _check_port(request.port, state)
    parse_steps(str(request.parameters.get("deploy_canary_steps", DEFAULT_STEPS)))
    say = partial(console.print, soft_wrap=True, highlight=False)
    source = choose_source(request.data, request.sha256, state.root / "cache", say)
    folder = state.new_run()
    arguments = {
        "data_uri": source.uri,
        "data_sha256": source.sha256,
        "data_batch": request.batch,
        **request.parameters,
    }
    folder.arguments.write_text(json.dumps(arguments), "utf-8")
    RunResult(folder.run_id, source.uri, batch=request.batch).write(folder.result)
    (state.root / "run.pid").write_text(str(os.getpid()), "utf-8")
    started = time.monotonic()
    result = _follow(folder, state, request.port, console)
    result.seconds = round(time.monotonic() - started, 1)
    _keep_reports(result, folder)
    result.source, result.batch = result.source or source.uri, request.batch
    endpoint = EndpointFile(state.root).read()
    if endpoint and endpoint.alive and endpoint.answering:
        result.version, result.endpoint = endpoint.answering.revision.version, endpoint.url
    result.write(folder.result)
    return result, folder


def _check_interpreter() -> None:
    if " " in sys.executable:
        raise InputError(
            f"{sys.executable}: kfp's local runner cannot start a Python whose path holds a space; "
            "move the checkout to a path without one"
        )


def _check_port(port: int, state: State) -> None:
    """Check that the endpoint can listen there, or does so already."""
    endpoint = EndpointFile(state.root).read()
    if endpoint is None or not endpoint.router.alive:
        free_port(port)
    elif port not in (0, endpoint.port):
        raise InputError(
            f"--port {port}: the endpoint listens at {endpoint.url}; health-predict stop ends it"
        )


def _keep_reports(result: RunResult, folder: RunFolder) -> None:
    """Copy the reports to where a person finds them, under names that a browser opens."""
    for name in ("report", "drift_report", "quality_report"):
        if made := getattr(result, name):
            kept = folder.path / f"{name}.html"
            setattr(result, name, shutil.copyfile(made, str(kept)))


def _follow(folder: RunFolder, state: State, port: int, console: Console) -> RunResult:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="hp-", dir="/tmp") as ray_folder,
            RunDisplay(console) as display,
        ):
            environment = state.run_environment(folder, port, ray_folder)
            succeeded = run_pipeline(folder, environment, display.show)
        return assemble(folder.run_id, read_events(folder.events), succeeded=succeeded)
    except KeyboardInterrupt:
        return _interrupted(folder, state, console)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _interrupted(folder: RunFolder, state: State, console: Console) -> RunResult:
    """Remove what the run left: its canary, and its open MLflow run."""
    console.print("Interrupted; stopping what the run started.")
    _take_away_canary(state, folder)
    events = read_events(folder.events)
    if any(event["step"] == "tune" for event in events):
        from components.registry.tracking import Tracking  # MLflow takes seconds to import

        Tracking(state.settings(folder.run_id)).finish(folder.run_id, succeeded=False)
    result = assemble(folder.run_id, events, succeeded=False)
    result.decision, result.exit_code = Decision.INTERRUPTED, 1
    result.reasons = ["interrupted"]
    return result


def _take_away_canary(state: State, folder: RunFolder) -> None:
    if any(event["step"] == "deploy" for event in read_events(folder.events)):
        from components.deployment.abandon import abandon  # with it comes MLflow, in seconds

        abandon(state.settings(folder.run_id))


def _answer(
    result: RunResult, folder: RunFolder, state: State, output: Output, console: Console
) -> None:
    if output is Output.JSON:
        print_json(result.to_json())
    elif result.decision in (Decision.PROMOTED, Decision.REFUSED, Decision.KEPT):
        Console().print(result_table(result))
        if curl := curl_line(result.endpoint, state):
            print(f"\n{curl}")  # whole, however narrow the terminal: it is there to be pasted
    if result.exit_code:
        sys.stderr.write(f"error: {'; '.join(result.reasons)}\n")
        if result.exit_code == 1:
            sys.stderr.write(f"log: {folder.log}\n")


def curl_line(url: str, state: State) -> str:
    """Return a command that sends the example request; empty when nothing serves."""
    example = state.root / "example.json"
    if not url or not example.exists():
        return ""
    return (
        f"curl -s {url}/v1/models/{MODEL}:predict "
        f"-H 'Content-Type: application/json' -d @{shlex.quote(shown_path(str(example)))}"
    )


def parse_parameters(texts: list[str]) -> dict[str, Any]:
    """Read pipeline parameters given as ``name=value``, typed as the pipeline declares them.

    Raises:
        InputError: no such parameter, or a value of another type.
    """
    if not texts:
        return {}
    from pipelines.training import training  # kfp takes a second to import

    declared = training.component_spec.inputs or {}
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in declared:
            raise InputError(
                f"--param {text!r}: write name=value, name one of {', '.join(declared)}"
            )
        found[name] = _typed(name, value, declared[name].type)
    return found


def _typed(name: str, value: str, kind: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "Integer": int,
        "Float": float,
        "String": str,
        "Boolean": _boolean,
    }
    try:
        return readers[kind](value)
    except ValueError:
        raise InputError(f"--param {name}={value}: is not a {kind.lower()}") from None


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"
