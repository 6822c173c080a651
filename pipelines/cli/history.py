"""``health-predict history``."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from components.registry.models import Registry
from pipelines.cli.options import Output, print_json
from pipelines.state import State


def history(state: State, output: Output) -> None:
    """Print every move of production that was tried, oldest first."""
    found = Registry(state.settings("history")).history() if state.has_registry else []
    if output is Output.JSON:
        print_json({"promotions": [asdict(move) for move in found]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("at", "from", "to", "", "reason"):
        table.add_column(name)
    for move in found:
        won = "promoted" if move.won else "too late"
        versions = (move.from_version or "none", move.to_version or "none")
        table.add_row(move.at, *versions, won, move.reason)
    Console().print(table)
