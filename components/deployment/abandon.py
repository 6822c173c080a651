"""End what a run left that did not come to its end."""

from __future__ import annotations

from components.deployment.target import target_of
from components.registry.models import Registry
from components.settings import Settings


def abandon(settings: Settings) -> str:
    """Take away this run's canary, unless it is in production already.

    A canary of another run is left alone. One whose version is in production answers everything;
    the next run makes it the stable version.

    Returns:
        The version that was taken away; empty for none.

    Raises:
        HealthPredictError: the target or the registry cannot be asked.
    """
    target = target_of(settings)
    canary = target.serving().canary
    if canary is None or canary.run_id != settings.run_id:
        return ""
    production = Registry(settings).production()
    if production and production.number == canary.version:
        return ""
    target.withdraw(canary.version)
    return canary.version
