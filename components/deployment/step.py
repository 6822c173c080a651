"""The deploy, verify and promote steps of a run."""

from __future__ import annotations

from components.deployment.release import Release
from components.deployment.rollout import Rollout
from components.events import Report
from components.registry.models import Registry
from components.settings import Settings


def deploy(version: str, rollout: Rollout, settings: Settings, report: Report) -> None:
    """Start a registered version as the canary; see :meth:`Release.deploy`."""
    found = Registry(settings).version(version)
    Release(settings, rollout, report).deploy(found, found.compared_with)


def verify(version: str, rollout: Rollout, settings: Settings, report: Report) -> None:
    """Prove the canary; see :meth:`Release.verify`."""
    Release(settings, rollout, report).verify(Registry(settings).version(version))


def promote(version: str, rollout: Rollout, settings: Settings, report: Report) -> None:
    """Give the canary the requests and move the aliases; see :meth:`Release.promote`."""
    found = Registry(settings).version(version)
    through = "forced" if found.tags.get("gate.forced") == "true" else "passed"
    reason = f"{through} the gate in run {settings.run_id}"
    Release(settings, rollout, report).promote(found, found.compared_with, reason)
