"""The exit handler: end what a run left, and say how it ended."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from components.deployment.abandon import abandon
from components.errors import one_line
from components.events import EVENTS_FILE, Report
from components.notify.links import kfp_links
from components.notify.recorded import recorded
from components.notify.slack import slack_message
from components.notify.summary import Facts, RunState, Summary, summarise
from components.notify.told import told
from components.notify.webhook import Patience, post
from components.registry.tracking import Tracking
from components.settings import Settings

_LOGIN = re.compile(r"//[^/@\s]*@")
_MOST_TEXT = 300


class Problems:
    """What could not be done, a line each; each is logged when it is met."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note a failure of the block as "``what``: why", and go on.

        Whatever fails, the rest of the exit handler is done, and a good run stays a good run.
        """
        try:
            yield
        except Exception as error:
            why = _LOGIN.sub("//", one_line(error)) or type(error).__name__
            self.lines.append(f"{what}: {why}"[:_MOST_TEXT])
            print(f"notify: {self.lines[-1]}", flush=True)


def run(
    state: str,
    message: str,
    settings: Settings,
    report: Report,
    patience: Patience | None = None,
) -> None:
    """Take this run's canary away, close its MLflow runs, and send a summary.

    Nothing that fails here fails the step: it is logged and stands in the summary.

    Args:
        state: KFP's final state of the run.
        message: KFP's error message; empty for a good end.
        settings: where the registry, the servers and the webhook are.
        report: takes the summary.
        patience: with the webhook.
    """
    problems = Problems()
    with problems.noted("the canary may still be there"):
        abandon(settings)
    summary = summarise(settings.run_id, state, message, _facts(settings, problems))
    with problems.noted("MLflow's runs may still be open"):
        succeeded = summary.state is RunState.SUCCEEDED
        Tracking(settings).finish(settings.run_id, succeeded=succeeded)
    summary = replace(summary, problems=tuple(problems.lines))
    print(f"notify: {summary.line}", flush=True)
    with problems.noted("the summary was not sent"):
        _send(summary, settings, patience)
    report.add(**replace(summary, problems=tuple(problems.lines)).to_json())


def _facts(settings: Settings, problems: Problems) -> Facts:
    """Return what is known: the steps' own events go before what the registry recorded."""
    said, found = Facts(), Facts()
    with problems.noted("the steps' events cannot be read"):
        if path := os.environ.get(EVENTS_FILE):
            said = told(Path(path))
    with problems.noted("the registry cannot be asked"):
        found = recorded(settings)
    return said.or_else(found).or_else(Facts(links=kfp_links(settings)))


def _send(summary: Summary, settings: Settings, patience: Patience | None) -> None:
    webhook = settings.notify_webhook
    if webhook and webhook.get_secret_value().strip():
        post(webhook, slack_message(summary), patience)
