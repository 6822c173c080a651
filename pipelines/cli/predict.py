"""``health-predict predict``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from components.deployment.local.endpoint import Endpoint, EndpointFile
from components.errors import HealthPredictError, InputError
from components.registry import MODEL
from pipelines.cli.options import Output, print_json
from pipelines.state import State


def predict(state: State, file: str, output: Output) -> None:
    """Send raw encounters to the endpoint and print its answer.

    Raises:
        InputError: the file is no JSON, or the endpoint refused the encounters.
        HealthPredictError: nothing serves, or it failed.
    """
    body = {"instances": _instances(file)}
    endpoint = _serving(state)
    url = f"{endpoint.url}/v1/models/{MODEL}:predict"
    try:
        answer = httpx.post(url, json=body, timeout=60, trust_env=False)
    except httpx.HTTPError as error:
        raise HealthPredictError(f"{endpoint.url}: does not answer: {error}") from error
    if answer.is_client_error:
        raise InputError(f"{file}: refused: {_refusal(answer)}")
    if not answer.is_success:
        raise HealthPredictError(f"{endpoint.url}: answered {answer.status_code}")
    if output is Output.JSON:
        print_json(answer.json())
    else:
        _print_predictions(answer.json())


def _serving(state: State) -> Endpoint:
    endpoint = EndpointFile(state.root).read()
    if endpoint is None or not endpoint.alive:
        raise HealthPredictError("nothing serves; start it with health-predict serve")
    return endpoint


def _instances(file: str) -> list[Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        body = json.loads(text)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{file}: is not JSON: {error}") from None
    if isinstance(body, dict):
        body = body.get("instances", [body])
    if not isinstance(body, list):
        raise InputError(f"{file}: holds neither an encounter nor a list of them")
    return body


def _refusal(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        details = [f"row {d['row']} {d['field']}: {d['why']}" for d in body.get("details", [])[:5]]
        return "; ".join([body["error"], *details])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def _print_predictions(answer: dict[str, Any]) -> None:
    kind = " (trained on synthetic data)" if answer.get("synthetic") else ""
    table = Table()
    for name in ("row", "probability", "readmitted"):
        table.add_column(name, justify="right")
    for number, row in enumerate(answer["predictions"]):
        table.add_row(
            str(number), f"{row['probability']:.4f}", "yes" if row["readmitted"] else "no"
        )
    console = Console()
    console.print(f"readmission, version {answer['model_version']}{kind}", soft_wrap=True)
    console.print(table)
    for column, values in (answer.get("warnings") or {}).items():
        console.print(f"unseen in training: {column} = {', '.join(values)}", markup=False)
