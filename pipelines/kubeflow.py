"""The API of Kubeflow Pipelines: where it is, and what its errors mean."""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import kfp_server_api
from kfp.client import Client
from urllib3.exceptions import HTTPError

from components.errors import HealthPredictError, InputError, one_line, root_cause

HOST = "HEALTH_PREDICT_KFP_HOST"
PAGES = "HEALTH_PREDICT_KFP_URL"
FORWARD = "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80"

TIMEOUTS_S = (10.0, 30.0)
"""To connect, and to wait for a part of an answer; the client tries four times."""

_API = "ml-pipeline"
_TIMEOUT_S = 10.0
_ADVICE = {
    401: "log in, and name a host that takes your login",
    403: "ask for the right to do that",
    404: "it may have been deleted; see health-predict runs",
}


class KubeflowError(HealthPredictError):
    """Kubeflow Pipelines does not answer, or does not do what it is asked."""


def connect(host: str) -> Client:
    """Return kfp's client of the API at ``host``.

    Args:
        host: URL of the API, or of the dashboard, which passes it on.

    Raises:
        InputError: no host is named, or it is no URL.
        KubeflowError: nothing answers there, or not as Kubeflow Pipelines does.
    """
    if not host:
        raise InputError(f"name the API with --host or {HOST}; with it forwarded by: {FORWARD}")
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"--host {host}: write a URL, such as http://127.0.0.1:8080")
    _check_answers(host.rstrip("/"))
    with asked(host, "connecting"), warnings.catch_warnings():
        # It says of every server that it wants version 2.
        warnings.simplefilter("ignore", FutureWarning)
        client = Client(host=host)
    _hold_to_time(client)
    return client


def run_page(host: str, run_id: str) -> str:
    """Return the URL of a run's page: where a browser finds the dashboard, else at the API."""
    base = os.environ.get(PAGES) or host
    return f"{base.rstrip('/')}/#/runs/details/{run_id}"


def display_named(name: str) -> str:
    """Return the API's filter for what has this display name."""
    is_it = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [is_it]})


@contextmanager
def asked(host: str, doing: str) -> Iterator[None]:
    """Turn what the client raises in the block into one line, and keep it from printing.

    Raises:
        KubeflowError: says where, what was done, why it failed, and what to do.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except kfp_server_api.ApiException as error:
        advice = _ADVICE.get(error.status, f"see the log of deployment {_API}")
        raise KubeflowError(f"{host}: {doing}: {_said(error)}; {advice}") from error
    except (HTTPError, OSError) as error:
        raise KubeflowError(f"{host}: {doing}: {root_cause(error)}; {_again(host)}") from error
    except ValueError as error:  # the client's own checks of what the server holds
        raise KubeflowError(f"{host}: {doing}: {one_line(error)}") from error


def _hold_to_time(client: Client) -> None:
    """Let no request wait for ever: the client sets no limit, and a forwarded port can hang."""
    shared = client.pipelines.api_client
    call = shared.call_api

    def timed(*arguments: Any, **named: Any) -> Any:
        return call(*arguments, **{**named, "_request_timeout": TIMEOUTS_S})

    shared.call_api = timed


def _check_answers(host: str) -> None:
    """Ask once: the client would ask five times, and log a traceback for each."""
    try:
        answer = httpx.get(f"{host}/apis/v2beta1/healthz", timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        raise KubeflowError(
            f"{host}: Kubeflow Pipelines does not answer: {root_cause(error)}; {_again(host)}"
        ) from error
    if answer.is_success and "json" in answer.headers.get("content-type", ""):
        _check_api(host, answer)
        return
    if answer.status_code in (401, 403):
        raise KubeflowError(f"{host}: {answer.status_code}: {_ADVICE[answer.status_code]}")
    raise KubeflowError(
        f"{host}: is not Kubeflow Pipelines (answered {answer.status_code}); name its API or "
        f"dashboard, forwarded by: {FORWARD}"
    )


def _check_api(host: str, answer: httpx.Response) -> None:
    """The dashboard answers whether or not the API behind it does, and says which."""
    if answer.json().get("apiServerReady") is False:
        raise KubeflowError(f"{host}: the API does not answer; see the log of deployment {_API}")


def _again(host: str) -> str:
    if urlsplit(host).hostname in ("127.0.0.1", "localhost"):
        return f"is it forwarded? {FORWARD}"
    return "is it up, and reachable from here?"


def _said(error: kfp_server_api.ApiException) -> str:
    """Return the server's message: a JSON object holds it, or the body is it."""
    body = error.body or error.reason or ""
    with contextlib.suppress(ValueError, AttributeError):
        content = json.loads(body)
        body = (
            content.get("message") or content.get("error_message") or content.get("error") or body
        )
    return f"{error.status} {one_line(body)[:300]}"
