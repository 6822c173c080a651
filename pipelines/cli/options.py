"""Options that several commands share."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.state import DEFAULT


class Output(StrEnum):
    """Form of a command's answer."""

    TEXT = "text"
    JSON = "json"


StateOption = Annotated[
    Path,
    typer.Option(
        "--state",
        envvar="HEALTH_PREDICT_STATE",
        help="Folder of runs, registry, bundles and servers.",
    ),
]
OutputOption = Annotated[
    Output, typer.Option("--output", help="json prints one JSON object on standard output.")
]

DEFAULT_STATE = DEFAULT


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")
