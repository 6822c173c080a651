"""The schedule of the pipeline: one recurring run, named like the pipeline."""

from __future__ import annotations

from typing import Any

from kfp.client import Client

from components.errors import InputError
from pipelines.cluster import SERVICE_ACCOUNT
from pipelines.kubeflow import asked, display_named
from pipelines.published import Published
from pipelines.runs import experiment

_MOST = 100


def cron_of(text: str) -> str:
    """Return a cron expression in KFP's form, whose first field is the second.

    Raises:
        InputError: it has neither the usual five fields nor six.
    """
    fields = text.split()
    if len(fields) not in (5, 6):
        raise InputError(
            f"--cron {text!r}: write five fields (minute, hour, day, month, weekday), such as "
            "'0 3 * * 1', or six with the second first"
        )
    return " ".join(["0", *fields] if len(fields) == 5 else fields)


def schedule(
    client: Client, host: str, version: Published, cron: str, arguments: dict[str, Any], name: str
) -> str:
    """Run a version of the pipeline by cron, in place of what was scheduled before.

    A recurring run cannot be changed. The new one is made first: when it is refused, the old one
    goes on.

    Args:
        client: of the API.
        host: its URL, for messages.
        version: of the pipeline; the schedule stays with it when another is published.
        cron: six fields, UTC.
        arguments: of the pipeline, over its defaults.
        name: of the recurring run.

    Returns:
        The recurring run's id.

    Raises:
        KubeflowError: it was not taken.
    """
    with asked(host, f"scheduling {version.version}"):
        before = _found(client, name)
        made = client.create_recurring_run(
            experiment(client, version),
            name,
            cron_expression=cron,
            # Neither beside another run, nor once for every time that was missed; the last of these
            # is made up for.
            max_concurrency=1,
            no_catchup=True,
            params=arguments,
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            service_account=SERVICE_ACCOUNT,
        )
        for recurring in before:
            _delete(client, recurring)
    return str(made.recurring_run_id)


def unschedule(client: Client, host: str, name: str) -> int:
    """Delete the recurring runs of that name, and return how many there were.

    Raises:
        KubeflowError: they could not be deleted.
    """
    with asked(host, f"deleting the schedule {name}"):
        found = _found(client, name)
        for recurring in found:
            _delete(client, recurring)
        return len(found)


def _delete(client: Client, recurring: str) -> None:
    """Delete a recurring run and let what it started go on to its end.

    kfp's client leaves the policy out, and Kubernetes then deletes a run that is in progress: its
    exit handler would not run, and a canary would stay.
    """
    client.recurring_runs.recurring_run_service_delete_recurring_run(
        recurring_run_id=recurring, propagation_policy="ORPHAN"
    )


def _found(client: Client, name: str) -> list[str]:
    answer = client.list_recurring_runs(page_size=_MOST, filter=display_named(name))
    return [recurring.recurring_run_id for recurring in answer.recurring_runs or []]
