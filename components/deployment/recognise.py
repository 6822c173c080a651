"""Bring the registry in line with what serves: the truth is what answers the requests."""

from __future__ import annotations

from components.deployment.release import is_verified
from components.deployment.target import Revision, target_of
from components.errors import HealthPredictError
from components.registry.models import Registry, Version
from components.settings import Settings


def recognise(settings: Settings) -> str:
    """Recognise what serves, whoever put it there, and end what a killed run left half done.

    A version that a person applied becomes the alias ``production``, so that the next candidate is
    compared with what serves. A canary that answers everything and is in production already
    becomes the stable version. Where nothing serves, nothing is changed.

    Returns:
        What was done; empty for nothing.

    Raises:
        HealthPredictError: what serves is no registered version, or the target or the registry
            cannot be asked.
    """
    target, registry = target_of(settings), Registry(settings)
    serving, production = target.serving(), registry.settled_production()
    canary, stable = serving.canary, serving.stable
    if canary and serving.percent == 100 and production and canary.version == production.number:
        target.finish(canary.version)
        return f"version {canary.version} answered everything already; its release is finished"
    if stable is None:
        return ""
    found = _registered(stable, registry)
    if production is None and not is_verified(found):
        return ""  # a first release that was broken off: the next deploy takes its place
    if production and found.number == production.number:
        return ""
    reason = "it serves: applied outside of the pipeline, or left by a run that was broken off"
    registry.promote(found.number, expected=production.number if production else "", reason=reason)
    return f"version {found.number} serves and is production now"


def _registered(revision: Revision, registry: Registry) -> Version:
    found = registry.by_bundle(revision.bundle_uri)
    if not found:
        raise HealthPredictError(
            f"the endpoint serves {revision.bundle_uri}, which the registry does not know; "
            "apply a registered version: health-predict revision VERSION"
        )
    wanted = revision.version
    return next((version for version in found if version.number == wanted), found[-1])
