"""What a person sees of a run: its progress on standard error, its result as a table."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from components.events import Phase
from pipelines.results import Decision, RunResult

_COLOURS = {
    Decision.PROMOTED: "green",
    Decision.KEPT: "green",
    Decision.REFUSED: "yellow",
}
_METRICS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "f1": "F1",
}


class RunDisplay:
    """A line for each step that ended, and a bar for the one that runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._synthetic = False
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("compile", total=None, detail="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Show one event of a step."""
        step, phase = event["step"], event["phase"]
        if phase == Phase.START:
            self._progress.reset(self._task, total=None, description=step, detail="")
        elif phase == Phase.PROGRESS:
            counted = _COUNTED.get(step, "")
            detail = f"{counted} {event['done']}/{event['total']}  {event['text']}"
            self._progress.update(
                self._task, completed=event["done"], total=event["total"], detail=detail
            )
        elif phase == Phase.DONE:
            self._synthetic = self._synthetic or bool(event.get("synthetic"))
            text = f"{event['seconds']:6.1f} s  {self._summary(event)}"
            self._line("done", "green", step, text)
        else:
            self._line("failed", "red", step, event["message"])

    def _line(self, state: str, colour: str, step: str, text: str) -> None:
        line = Text.assemble((f"{state:<7}", colour), f"{step:<17}", text)
        self._progress.console.print(line, soft_wrap=True)

    def _summary(self, event: dict[str, Any]) -> str:
        text = _SUMMARIES.get(event["step"], "").format_map(event)
        if recognised := event.get("recognised"):
            text += f"; {recognised}"
        if failures := event.get("failed_trials"):
            text += f", {len(failures)} FAILED: {failures[0]}"
        return f"{text} (synthetic)" if self._synthetic and text else text


_COUNTED = {"tune": "trial", "promote": "share"}
"""What a step's progress counts."""

_SUMMARIES = {
    "ingest": "{rows:,} encounters, {set_aside:,} set aside, {removed:,} ended in death or "
    "hospice; train {train_rows:,}, validation {validation_rows:,}, test {test_rows:,}",
    "drift": "{reasons[0]}",
    "features": "{encoded_columns} encoded columns, target {target}",
    "tune": "{trials} trials, best {family}, cross-validated AUC {cross_validated_auc:.4f}, "
    "calibration {calibration}",
    "evaluate": "test AUC {candidate[auc]:.4f} (95 % {intervals[candidate][auc][low]:.4f} to "
    "{intervals[candidate][auc][high]:.4f})",
    "register": "version {version}",
    "deploy": "canary at {canary}",
    "verify": "{golden_rows} golden rows, largest difference {largest_difference:.0e}, "
    "p95 {p95_ms} ms",
    "promote": "version {version} serves at {endpoint}",
    "score production": "production AUC {production[auc]:.4f}",
    "notify": "{state}",
}


def result_table(result: RunResult) -> Table:
    """Return the table that ends a run."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    kind = " (synthetic)" if result.synthetic else ""
    colour = _COLOURS.get(result.decision, "red")
    table.add_row("run", f"{result.run_id}, {result.seconds:.0f} s")
    rows = f"{result.rows:,} encounters, batch {result.batch}"
    table.add_row("data", f"{shown_path(result.source)}{kind}, {rows}")
    for name in ("candidate", "production"):
        table.add_row(f"{name}{kind}", _metrics(result.metrics.get(name)))
    table.add_row("decision", f"[{colour}]{result.decision.value}[/]{kind}")
    for number, reason in enumerate(result.reasons):
        table.add_row("because" if number == 0 else "", reason)
    made = kind if result.decision is Decision.PROMOTED else ""
    table.add_row("version", f"{result.version}{made}" if result.version else "none serves")
    table.add_row("report", shown_path(result.report) if result.report else "none")
    if result.batch and result.drift_report:
        table.add_row("drift", shown_path(result.drift_report))
    if result.quality_report:
        table.add_row("quality", shown_path(result.quality_report))
    table.add_row("endpoint", result.endpoint or "none")
    return table


def shown_path(text: str) -> str:
    """Return a file's path as seen from the current folder where that is shorter; else ``text``."""
    if not Path(text).is_absolute():
        return text
    return min(text, os.path.relpath(text), key=len)


def _metrics(metrics: dict[str, float] | None) -> str:
    if metrics is None:
        return "none"
    shown = [
        f"{label} {metrics[name]:.4f} (no skill {metrics[f'no_skill_{name}']:.4f})"
        for name, label in _METRICS.items()
    ]
    return ", ".join(shown)
