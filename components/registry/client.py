"""MLflow's client, bounded in time, whose every failure is one clear line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import RequestException  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from components.errors import RegistryError, causes, root_cause

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a model or version, and for an alias, that is not there."""

_WAITING = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}
"""Seconds for one answer, and how often it is asked for again: two minutes in all at most.

MLflow's own 120 s and 7 retries hold a step for 20 minutes. What the environment says goes first.
"""


class RegistryClient:
    """An ``MlflowClient`` of one store, with the same methods, that raises :class:`RegistryError`.

    It is the one way to MLflow: for the registry, runs, and drift records. Nothing is opened before
    the first call.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return MLflow's method of that name."""
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args: Any, **options: Any) -> Any:
            with _one_line_errors(self._uri):
                return getattr(self._client, name)(*args, **options)

        return call

    @cached_property
    def _client(self) -> Any:
        for name, value in _WAITING.items():
            os.environ.setdefault(name, value)
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)


@contextmanager
def _one_line_errors(uri: str) -> Iterator[None]:
    handled = sys.exception()
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        where, cause = f"the registry {_shown(uri)}", root_cause(error, handled)
        if any(isinstance(found, RequestException) for found in causes(error, handled)):
            raise RegistryError(
                f"{where} does not answer: {cause}; run again when it does"
            ) from error
        raise RegistryError(f"{where} failed: {cause}", getattr(error, "error_code", "")) from error


def _shown(uri: str) -> str:
    """Return a URI without the name and the password that it may hold."""
    name, at, _ = urlsplit(uri).netloc.rpartition("@")
    return uri.replace(f"{name}{at}", "", 1)
