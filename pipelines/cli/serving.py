"""Commands around the endpoint: serve, status, stop."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout
from rich.console import Console
from rich.table import Table

from components.deployment.server import Server, endpoint, stop_canary
from components.errors import InputError
from pipelines.cli.options import Output, print_json
from pipelines.cli.run import curl_line
from pipelines.results import RunResult
from pipelines.state import State

if TYPE_CHECKING:
    from components.registry.models import Version


def serve(state: State, port: int) -> Server:
    """Start the production version's server again, where none runs.

    Raises:
        InputError: there is no production version yet, or the port is taken.
        HealthPredictError: the server did not become ready.
    """
    slot = endpoint(state.root)
    running = slot.read()
    if running is not None and running.alive:
        if port not in (0, running.port):
            raise InputError(f"version {running.version} already serves at {running.url}")
        return running
    version = _production(state)
    if version is None:
        raise InputError("there is no production version yet; health-predict run makes one")
    from components.deployment.launch import launch  # with it comes MLflow, in seconds
    from components.registry.store import BundleStore

    store = BundleStore(state.settings("cli").bundle_store)
    return launch(version, store, port, state.root, slot)


def status(state: State, output: Output) -> None:
    """Print what serves, what the registry says, and how the last run ended."""
    server = endpoint(state.root).read()
    alive = server is not None and server.alive
    runs = [run for run in state.runs() if run.result.exists()]
    last = RunResult.read(runs[-1].result) if runs else None
    registered = _production(state)
    facts: dict[str, Any] = {
        "endpoint": server.url if server and alive else "",
        "version": server.version if server and alive else "",
        "synthetic": bool(server and alive and server.synthetic),
        "registry_production": registered.number if registered else "",
        "running": _running(state) is not None,
        "last_run": last.to_json() if last else None,
    }
    if output is Output.JSON:
        print_json(facts)
        return
    kind = " (synthetic)" if facts["synthetic"] else ""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("endpoint", facts["endpoint"] or "none; start it with health-predict serve")
    table.add_row("serves", f"version {facts['version']}{kind}" if facts["version"] else "nothing")
    table.add_row("registry", f"production = version {facts['registry_production'] or 'none'}")
    table.add_row("run in progress", "yes" if facts["running"] else "no")
    table.add_row("last run", f"{last.run_id}: {last.decision.value}" if last else "none")
    Console().print(table)
    if curl := curl_line(facts["endpoint"], state):
        print(f"\n{curl}")


def stop(state: State) -> None:
    """Stop the run in progress, the canary and the endpoint."""
    if run := _running(state):
        run.send_signal(signal.SIGTERM)
        psutil.wait_procs([run], timeout=60)
    stop_canary(state.root)
    slot = endpoint(state.root)
    if server := slot.read():
        server.stop()
        slot.clear()


def _running(state: State) -> psutil.Process | None:
    """Return the process of the run in progress: the one that holds the lock."""
    with suppress(Timeout), FileLock(state.lock, timeout=0):
        return None
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        return psutil.Process(int((state.root / "run.pid").read_text("utf-8")))
    return None


def _production(state: State) -> Version | None:
    """Return what the registry holds as production; a store that no run has made yet holds none."""
    if not (state.root / "mlflow.db").exists():
        return None
    from components.registry.models import Registry

    return Registry(state.settings("cli")).production()
