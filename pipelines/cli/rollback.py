"""``health-predict rollback`` and ``revision``."""

from __future__ import annotations

import datetime
import time

from filelock import FileLock, Timeout
from rich.console import Console

from components.deployment.rollout import Rollout
from components.errors import ConflictError, InputError
from components.events import Report
from pipelines.cli.options import Output, print_json
from pipelines.state import State


class _Said(Report):
    """Shows progress on the console; a command has no log of events."""

    def __init__(self, console: Console) -> None:
        super().__init__("rollback")
        self._console = console

    def progress(self, text: str, done: int, total: int) -> None:
        self._console.print(f"shift {done}/{total}  {text}", highlight=False)


def rollback(state: State, to: str, reason: str, output: Output, *, at_once: bool) -> None:
    """Put an earlier version back in production, and print what serves.

    Raises:
        ConflictError: a run is in progress.
        HealthPredictError: the version could not be released; what serves goes on serving.
    """
    from components.deployment.rollback import rollback as go_back

    if not state.has_registry:
        raise InputError(f"no run has written to {state.root} yet; health-predict run does")
    settings = state.settings(f"rollback-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}")
    rollout = Rollout(steps=(100,)) if at_once else Rollout()
    report, started = _Said(Console(stderr=True)), time.monotonic()
    try:
        with FileLock(state.lock, timeout=0):
            version = go_back(to, reason, rollout, settings, report)
    except Timeout:
        raise ConflictError(
            f"a run is in progress in {state.root}; wait for it, or health-predict stop"
        ) from None
    facts = {
        "version": version.number,
        "endpoint": report.facts["endpoint"],
        "seconds": round(time.monotonic() - started, 1),
    }
    if output is Output.JSON:
        print_json(facts)
    else:
        print("version {version} serves at {endpoint}, after {seconds} s".format_map(facts))


def revision_yaml(state: State, version: str) -> str:
    """Return the InferenceService of a registered version as YAML.

    Raises:
        InputError: there is no registry, or its bundle lies where no cluster reaches it.
        HealthPredictError: there is no such version.
    """
    import yaml

    from components.deployment.kserve.manifest import APPLY_REVISION, revision
    from components.deployment.target import Revision
    from components.registry.models import Registry

    if not state.has_registry:
        raise InputError(f"no run has written to {state.root} yet; health-predict run does")
    found = Registry(state.settings("revision")).version(version)
    if found.bundle_uri.startswith("file:"):
        raise InputError(
            f"version {version} lies at {found.bundle_uri}, which no cluster reaches; "
            "set HEALTH_PREDICT_BUNDLE_STORE to a bucket and run again"
        )
    wanted = Revision(found.number, found.bundle_uri, found.tags.get("run_id", ""))
    text: str = yaml.safe_dump(revision(wanted), sort_keys=False)
    return f"# {APPLY_REVISION}\n{text}"
