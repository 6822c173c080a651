"""Versions of the registered model ``readmission`` and the aliases that say which serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.errors import HealthPredictError
from components.registry import MODEL
from components.settings import Settings

_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Alias(StrEnum):
    """Names that point at a version."""

    CANDIDATE = "candidate"
    PRODUCTION = "production"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version and the immutable URI of its bundle."""

    number: str
    bundle_uri: str
    tags: Mapping[str, str]


class Registry:
    """MLflow's model registry, seen as versions of one model."""

    def __init__(self, settings: Settings) -> None:
        self._client = MlflowClient(
            tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri
        )

    def production(self) -> Version | None:
        """Return the production version, or ``None`` before the first promotion."""
        return self.by_alias(Alias.PRODUCTION)

    def by_alias(self, alias: Alias) -> Version | None:
        """Return the version that an alias points at; ``None`` when there is no such alias.

        Raises:
            MlflowException: the registry could not be asked; that never counts as "no version".
        """
        try:
            found = self._client.get_model_version_by_alias(MODEL, alias.value)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise
        return Version(str(found.version), found.source, dict(found.tags))

    def version(self, number: str) -> Version:
        """Return a version by its number.

        Raises:
            HealthPredictError: there is none.
        """
        try:
            found = self._client.get_model_version(MODEL, number)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise HealthPredictError(f"version {number} of {MODEL!r} does not exist") from error
            raise
        return Version(str(found.version), found.source, dict(found.tags))

    def register(self, bundle_uri: str, run: str, tags: Mapping[str, str]) -> Version:
        """Add a version for a stored bundle and point ``candidate`` at it.

        Args:
            bundle_uri: immutable URI in the bundle store.
            run: the MLflow run that made it.
            tags: facts of the version.
        """
        try:
            self._client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._client.create_model_version(MODEL, bundle_uri, run_id=run, tags=dict(tags))
        self.point(Alias.CANDIDATE, str(made.version))
        return Version(str(made.version), bundle_uri, dict(tags))

    def point(self, alias: Alias, number: str) -> None:
        """Point an alias at a version."""
        self._client.set_registered_model_alias(MODEL, alias.value, number)

    def clear(self, alias: Alias) -> None:
        """Remove an alias."""
        self._client.delete_registered_model_alias(MODEL, alias.value)

    def tag(self, number: str, key: str, value: str) -> None:
        """Record a fact on a version."""
        self._client.set_model_version_tag(MODEL, number, key, value)
