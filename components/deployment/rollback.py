"""Roll back: release a version again that was in production before."""

from __future__ import annotations

from components.deployment.recognise import recognise
from components.deployment.release import Release, now
from components.deployment.rollout import Rollout
from components.deployment.target import target_of
from components.errors import InputError
from components.events import Report
from components.registry.aliases import Alias
from components.registry.models import Registry, Version
from components.settings import Settings


def rollback(to: str, why: str, rollout: Rollout, settings: Settings, report: Report) -> Version:
    """Put an earlier version in production: as a canary, verified, step by step.

    Args:
        to: the version's number; empty for the alias ``previous``.
        why: is recorded with the move and on the version that is left.
        rollout: how the requests move.
        settings: where the registry, the store and the target are.
        report: takes the facts.

    Returns:
        The version that is in production now.

    Raises:
        InputError: there is nothing to go back from, or to.
        HealthPredictError: the version could not be released; what serves goes on serving.
    """
    recognise(settings)
    registry = Registry(settings)
    production = registry.production()
    if production is None:
        raise InputError("there is no production version to go back from")
    wanted = registry.version(to) if to else registry.by_alias(Alias.PREVIOUS)
    if wanted is None:
        raise InputError("there is no previous version; name one with --to VERSION")
    if wanted.number == production.number and target_of(settings).serving().stable:
        raise InputError(f"version {wanted.number} is in production already")
    release = Release(settings, rollout, report)
    release.deploy(wanted, production.number)
    release.verify(wanted)
    verified = registry.version(wanted.number)
    release.promote(verified, production.number, f"rollback from {production.number}: {why}")
    registry.tag(production.number, "rolled_back", f"{now()}: {why}"[:500])
    return verified
