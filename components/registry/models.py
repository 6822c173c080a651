"""Versions of the registered model ``readmission`` and the aliases that say which serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import HealthPredictError, RegistryError
from components.registry import MODEL
from components.registry.aliases import Alias, Aliases
from components.registry.client import ABSENT, RegistryClient
from components.registry.promotion import Promoter
from components.registry.promotion_log import Promotion, PromotionLog, create_model
from components.settings import Settings

__all__ = ["Alias", "Promotion", "Registry", "Version"]

RUN_ID, COMPARED_WITH = "run_id", "compared_with"
"""Tags that are read again: the pipeline run, and the version that the gate compared with."""


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version and the immutable URI of its bundle."""

    number: str
    bundle_uri: str
    tags: Mapping[str, str]

    @property
    def compared_with(self) -> str:
        """The version that the gate compared this one with; empty for none."""
        return self.tags.get(COMPARED_WITH, "")


class Registry:
    """MLflow's model registry, seen as versions of one model.

    Every method raises :class:`RegistryError` when the registry does not answer or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = RegistryClient(settings.tracking_uri)
        self._aliases = Aliases(self._client)
        self._log = PromotionLog(self._client)

    def production(self) -> Version | None:
        """Return the production version, or ``None`` before the first promotion."""
        return self.by_alias(Alias.PRODUCTION)

    def settled_production(self) -> Version | None:
        """Return the production version, once a promotion that was broken off is completed."""
        Promoter(self._log, self._aliases).settle()
        return self.production()

    def by_bundle(self, bundle_uri: str) -> list[Version]:
        """Return the versions that were registered for a stored bundle, oldest first."""
        found = self._client.search_model_versions(
            f"name = '{MODEL}'", order_by=["version_number ASC"]
        )
        return [_version(made) for made in found if made.source == bundle_uri]

    def by_alias(self, alias: Alias) -> Version | None:
        """Return the version that an alias points at; ``None`` when there is no such alias."""
        found = self._aliases.find(alias)
        return _version(found) if found else None

    def version(self, number: str) -> Version:
        """Return a version by its number.

        Raises:
            HealthPredictError: there is none.
        """
        try:
            return _version(self._client.get_model_version(MODEL, number))
        except RegistryError as error:
            if error.code in ABSENT:
                raise HealthPredictError(f"version {number} of {MODEL!r} does not exist") from error
            raise

    def register(self, bundle_uri: str, run: str, tags: Mapping[str, str]) -> Version:
        """Add a version for a stored bundle and point ``candidate`` at it.

        A pipeline run that registers its bundle again gets the version that is there.

        Args:
            bundle_uri: immutable URI in the bundle store.
            run: the MLflow run that made it.
            tags: facts of the version; ``run_id`` is the pipeline run.
        """
        version = self._registered(bundle_uri, tags)
        if version is None:
            create_model(self._client, MODEL)
            made = self._client.create_model_version(
                MODEL, bundle_uri, run_id=run, tags=dict(tags), await_creation_for=None
            )
            # Asked again, since MLflow's client sends a request twice whose answer was lost.
            version = self._registered(bundle_uri, tags) or _version(made)
        self.point(Alias.CANDIDATE, version.number)
        return version

    def promote(self, number: str, *, expected: str, reason: str) -> None:
        """Move ``production`` to a version, and ``previous`` to the one that it replaces.

        Of calls that expect the same version only one succeeds. One that was killed is completed by
        the same call, or by the next one.

        Args:
            number: the version that is to be in production.
            expected: the version that must be in production now; empty for none.
            reason: why, for the history.

        Raises:
            PromotionConflict: another version is in production by now; nothing was changed.
            PromotionUnfinished: the registry failed after the promotion was sent; it may stand.
            HealthPredictError: there is no such version.
        """
        self.version(number)
        Promoter(self._log, self._aliases).promote(number, expected, reason)

    def history(self) -> list[Promotion]:
        """Return every move of production that was tried, in the order that decides."""
        return [entry.move for entry in self._log.read().entries]

    def point(self, alias: Alias, number: str) -> None:
        """Point an alias at a version."""
        self._aliases.point(alias, number)

    def clear(self, alias: Alias) -> None:
        """Remove an alias."""
        self._aliases.clear(alias)

    def tag(self, number: str, key: str, value: str) -> None:
        """Record a fact on a version."""
        self._client.set_model_version_tag(MODEL, number, key, value)

    def _registered(self, bundle_uri: str, tags: Mapping[str, str]) -> Version | None:
        """Return the first version that the same pipeline run made of the same bundle."""
        if RUN_ID not in tags:
            return None
        found = self._client.search_model_versions(
            f"name = '{MODEL}' and tags.{RUN_ID} = '{tags[RUN_ID]}'",
            order_by=["version_number ASC"],
        )
        return next((_version(made) for made in found if made.source == bundle_uri), None)


def _version(found: Any) -> Version:
    return Version(str(found.version), found.source, dict(found.tags))
