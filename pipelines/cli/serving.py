"""``health-predict serve``, ``status`` and ``stop``."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout
from rich.console import Console
from rich.table import Table

from components.deployment.local.endpoint import Endpoint, EndpointFile
from components.errors import InputError
from pipelines.cli.options import Output, print_json
from pipelines.cli.run import curl_line
from pipelines.results import RunResult
from pipelines.state import State

if TYPE_CHECKING:
    from components.registry.models import Version

_READY_SECONDS = 120.0


def serve(state: State, port: int) -> Endpoint:
    """Serve the production version again, where nothing does.

    Raises:
        InputError: there is no production version yet, or the port is taken.
        HealthPredictError: the server did not become ready.
    """
    endpoint = EndpointFile(state.root).read()
    if endpoint is not None and endpoint.alive and endpoint.answering:
        if port not in (0, endpoint.port):
            serves = endpoint.answering.revision.version
            raise InputError(f"version {serves} already serves at {endpoint.url}")
        return endpoint
    version = _production(state)
    if version is None:
        raise InputError("there is no production version yet; health-predict run makes one")
    from components.deployment.local.target import LocalTarget  # with it comes fsspec, in seconds
    from components.deployment.target import Revision

    settings = state.settings("serve").model_copy(update={"deploy_port": port})
    revision = Revision(version.number, version.bundle_uri, settings.run_id)
    return LocalTarget(settings).serve(revision, _READY_SECONDS)


def status(state: State, output: Output) -> None:
    """Print what serves, what the registry says, and how the last run ended."""
    facts = _facts(state)
    if output is Output.JSON:
        print_json(facts)
        return
    kind = " (synthetic)" if facts["synthetic"] else ""
    last = facts["last_run"]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("endpoint", facts["endpoint"] or "none; start it with health-predict serve")
    table.add_row("serves", f"version {facts['version']}{kind}" if facts["version"] else "nothing")
    if facts["canary"]:
        share = f"version {facts['canary']}, {facts['canary_percent']} % of the requests"
        table.add_row("canary", share)
    table.add_row("registry", f"production = version {facts['registry_production'] or 'none'}")
    table.add_row("previous", f"version {facts['registry_previous'] or 'none'}")
    table.add_row("run in progress", "yes" if facts["running"] else "no")
    table.add_row("last run", f"{last['run_id']}: {last['decision']}" if last else "none")
    Console().print(table)
    if curl := curl_line(facts["endpoint"], state):
        print(f"\n{curl}")


def _facts(state: State) -> dict[str, Any]:
    endpoint = EndpointFile(state.root).read()
    answering = endpoint.answering if endpoint and endpoint.alive else None
    canary = endpoint.canary if endpoint and endpoint.alive else None
    production, previous = _aliases(state)
    runs = [run for run in state.runs() if run.result.exists()]
    return {
        "endpoint": endpoint.url if endpoint and answering else "",
        "version": answering.revision.version if answering else "",
        "synthetic": bool(answering and answering.synthetic),
        "canary": canary.revision.version if canary else "",
        "canary_percent": endpoint.percent if endpoint and canary else 0,
        "registry_production": production.number if production else "",
        "registry_previous": previous.number if previous else "",
        "running": _running(state) is not None,
        "last_run": RunResult.read(runs[-1].result).to_json() if runs else None,
    }


def stop(state: State) -> None:
    """Stop the run in progress, the canary and the endpoint."""
    if run := _running(state):
        run.send_signal(signal.SIGTERM)
        psutil.wait_procs([run], timeout=60)
    if EndpointFile(state.root).path.exists():
        from components.deployment.local.target import LocalTarget

        LocalTarget(state.settings("stop")).stop()


def _running(state: State) -> psutil.Process | None:
    """Return the process of the run in progress: the one that holds the lock."""
    with suppress(Timeout), FileLock(state.lock, timeout=0):
        return None
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        return psutil.Process(int((state.root / "run.pid").read_text("utf-8")))
    return None


def _production(state: State) -> Version | None:
    return _aliases(state)[0]


def _aliases(state: State) -> tuple[Version | None, Version | None]:
    """Return production and previous; a store that no run has made yet holds none."""
    if not state.has_registry:
        return None, None
    from components.registry.aliases import Alias
    from components.registry.models import Registry

    registry = Registry(state.settings("status"))
    return registry.production(), registry.by_alias(Alias.PREVIOUS)
