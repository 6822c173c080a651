"""Runs of the pipeline on a cluster: start one, follow it to its end, list them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kfp.client import Client

from components.errors import one_line
from pipelines.cluster import PODS, SERVICE_ACCOUNT
from pipelines.kubeflow import KubeflowError, asked
from pipelines.published import Published

SUCCEEDED = "SUCCEEDED"
_ENDED = frozenset({SUCCEEDED, "FAILED", "CANCELED", "SKIPPED"})
_POLL_S, _PATIENCE_S = 5.0, 120.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as Kubeflow Pipelines tells of it.

    Attributes:
        run_id: its id, which is also the run's name in MLflow.
        name: what the dashboard shows.
        state: KFP's word, such as ``RUNNING`` or ``SUCCEEDED``.
        created: when, ISO 8601.
        tasks: state of each task of the pipeline that has begun.
        message: why it failed, where KFP says so.
    """

    run_id: str
    name: str
    state: str
    created: str
    tasks: dict[str, str]
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.state in _ENDED

    @property
    def reason(self) -> str:
        """What is known of a bad end, in one line."""
        failed = [name for name, state in self.tasks.items() if state == "FAILED"]
        where = f" in {', '.join(failed)}" if failed else ""
        why = f": {self.message}" if self.message else ""
        return f"run {self.run_id}: {self.state}{where}{why}"


def submit(
    client: Client, host: str, version: Published, arguments: dict[str, Any], name: str
) -> str:
    """Start a run of a published version, and return its id.

    Args:
        client: of the API.
        host: its URL, for messages.
        version: of the pipeline.
        arguments: of the pipeline, over its defaults.
        name: of the run.

    Raises:
        KubeflowError: it was not taken.
    """
    with asked(host, f"starting a run of {version.version}"):
        made = client.run_pipeline(
            experiment(client, version),
            name,
            params=arguments,
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            service_account=SERVICE_ACCOUNT,
        )
    return str(made.run_id)


def experiment(client: Client, version: Published) -> str:
    """Return the id of the pipeline's experiment, which is made when it is absent."""
    return str(client.create_experiment(version.pipeline).experiment_id)


def list_runs(client: Client, host: str, most: int) -> list[Run]:
    """Return the newest runs, newest first.

    Raises:
        KubeflowError: it cannot be asked.
    """
    with asked(host, "listing the runs"):
        found = client.list_runs(page_size=most, sort_by="created_at desc").runs
        return [_run(run) for run in found or []]


def follow(
    client: Client,
    host: str,
    run_id: str,
    tell: Callable[[str, str], None],
    poll_s: float = _POLL_S,
    patience_s: float = _PATIENCE_S,
) -> Run:
    """Wait until a run has ended; kfp's own wait never sees that one was cancelled.

    Args:
        client: of the API.
        host: its URL, for messages.
        run_id: of the run.
        tell: is given each task's name and state whenever that changes.
        poll_s: seconds between two looks.
        patience_s: seconds for which the API may not answer; a forwarded port breaks off at times.

    Raises:
        KubeflowError: it did not answer for longer.
    """
    told: dict[str, str] = {}
    answered = time.monotonic()
    while True:
        try:
            run = _look(client, host, run_id)
            answered = time.monotonic()
        except KubeflowError:
            if time.monotonic() - answered > patience_s:
                raise
        else:
            for name, state in run.tasks.items():
                if told.get(name) != state:
                    tell(name, state)
            told = run.tasks
            if run.ended:
                return run
        time.sleep(poll_s)


def _look(client: Client, host: str, run_id: str) -> Run:
    with asked(host, f"following run {run_id}"):
        return _run(client.get_run(run_id))


def _run(run: Any) -> Run:
    details = run.run_details.task_details if run.run_details else None
    # Drivers, groups and the executors' inner nodes are listed beside the tasks.
    tasks = {t.display_name: t.state for t in details or [] if t.display_name in PODS and t.state}
    return Run(
        run_id=run.run_id,
        name=run.display_name or "",
        state=run.state or "PENDING",
        created=run.created_at.isoformat(timespec="seconds") if run.created_at else "",
        tasks=tasks,
        message=one_line(run.error.message or "") if run.error else "",
    )
