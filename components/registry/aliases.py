"""Aliases: the names that point at versions of the registered model."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from components.errors import RegistryError
from components.registry import MODEL
from components.registry.client import ABSENT, RegistryClient

_CLASH = "BAD_REQUEST"
"""What MLflow says when two processes set an alias at once that was not there before."""


class Alias(StrEnum):
    """Names that point at a version."""

    CANDIDATE = "candidate"
    PRODUCTION = "production"
    PREVIOUS = "previous"


class Aliases:
    """The aliases of one registry."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    def find(self, alias: Alias) -> Any | None:
        """Return MLflow's version that an alias points at; ``None`` when there is no such alias.

        Raises:
            RegistryError: the registry could not be asked; that never counts as "no version".
        """
        try:
            return self._client.get_model_version_by_alias(MODEL, alias.value)
        except RegistryError as error:
            if error.code in ABSENT:
                return None
            raise

    def number(self, alias: Alias) -> str:
        """Return the number of the version that an alias points at; empty for none."""
        found = self.find(alias)
        return str(found.version) if found else ""

    def point(self, alias: Alias, number: str) -> None:
        """Point an alias at a version.

        Raises:
            RegistryError: there is no such version.
        """
        try:
            self._client.set_registered_model_alias(MODEL, alias.value, number)
        except RegistryError as error:
            if error.code != _CLASH:
                raise
            self._client.set_registered_model_alias(MODEL, alias.value, number)

    def clear(self, alias: Alias) -> None:
        """Remove an alias."""
        self._client.delete_registered_model_alias(MODEL, alias.value)
