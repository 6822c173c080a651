"""What the registry recorded of a run."""

from __future__ import annotations

from components.deployment.release import VERIFICATION
from components.notify.links import mlflow_links
from components.notify.summary import Facts, Gate
from components.registry.drift_log import DriftLog
from components.registry.models import RUN_ID, Alias, Registry, Version
from components.registry.tracking import RunRecord, Tracking
from components.settings import Settings

_FAILED = "failed"
_SEPARATOR = "; "


def recorded(settings: Settings) -> Facts:
    """Ask the registry for a run's decision, version and pages.

    Raises:
        Exception: the registry cannot be asked.
    """
    training, drift = Tracking(settings).record(settings.run_id), DriftLog(settings).of_this_run()
    version, run = _version(settings), training or drift
    tags = run.tags if run else {}
    return Facts(
        message=_release_failure(version),
        suspects=_suspects(drift, training, version),
        decision=_gate(tags.get("decision", "")),
        reasons=tuple(reason for reason in tags.get("reasons", "").split(_SEPARATOR) if reason),
        version=version.number if version else "",
        synthetic=tags.get("synthetic") == "true",
        links=mlflow_links(settings, run, version.number if version else ""),
    )


def _version(settings: Settings) -> Version | None:
    """Return the version that this run registered: it holds an alias from the start."""
    registry = Registry(settings)
    for alias in (Alias.CANDIDATE, Alias.PRODUCTION):
        version = registry.by_alias(alias)
        if version and version.tags.get(RUN_ID) == settings.run_id:
            return version
    return None


def _gate(text: str) -> Gate:
    # The drift step's "retrain" is no decision on a candidate.
    return Gate(text) if text in [*Gate] else Gate.NONE


def _release_failure(version: Version | None) -> str:
    verification = version.tags.get(VERIFICATION, "") if version else ""
    return f"release {verification}" if verification.startswith(_FAILED) else ""


def _suspects(drift: RunRecord | None, training: RunRecord | None, version: Version | None) -> str:
    """Name the steps from the last one on that left a record."""
    if training is None:
        return "drift, features and tune" if drift else "ingest and drift"
    if "decision" not in training.tags:
        return "tune and evaluate"
    if version is None:
        return "evaluate and register"
    return "register, deploy, verify and promote"
