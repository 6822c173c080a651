"""Release a version: start it as the canary, prove it, give it the requests, then the aliases.

Each part may be killed and run again. The version that serves goes on serving until the canary is
proven; whatever fails takes the canary away and is recorded on its version.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.deployment.rollout import Rollout
from components.deployment.target import Revision, target_of
from components.deployment.verify import verify_server, watch_server
from components.errors import (
    ConflictError,
    HealthPredictError,
    PromotionUnfinished,
    VerificationError,
)
from components.events import Report
from components.registry.bundle import Bundle
from components.registry.models import Registry, Version
from components.registry.store import BundleStore
from components.settings import Settings

VERIFICATION = "verification"
"""Tag of a version: ``passed``, or ``failed`` with the reason."""


class Release:
    """Takes versions of the registry to the target that the settings name."""

    def __init__(self, settings: Settings, rollout: Rollout, report: Report) -> None:
        self._settings, self._rollout, self._report = settings, rollout, report
        self._registry = Registry(settings)
        self._target = target_of(settings)

    def deploy(self, version: Version, expected: str) -> None:
        """Start a version as the canary, which gets no request yet.

        Args:
            version: what is to be released.
            expected: the version that must be in production; empty before the first.

        Raises:
            ConflictError: another one is in production.
            HealthPredictError: it did not become ready.
        """
        self._check_production(version.number, expected)
        revision = Revision(version.number, version.bundle_uri, self._settings.run_id)
        with self._or_withdrawn(version.number):
            url = self._target.deploy(revision, self._rollout.timeout_s)
        self._report.add(version=version.number, canary=url)

    def verify(self, version: Version) -> None:
        """Prove that the canary serves the version's bundle, and take it away when it does not.

        Raises:
            VerificationError: there is no canary of this version, or it does not answer as it
                should.
        """
        with self._or_withdrawn(version.number):
            bundle, url = self._bundle(version), self._target.url_of(version.number)
            found = verify_server(url, version.number, bundle, self._rollout.limits)
        latency = found.latency
        passed = f"passed, {latency.requests} requests, p95 {latency.p95_ms} ms"
        self._registry.tag(version.number, VERIFICATION, passed)
        self._report.add(
            version=version.number,
            golden_rows=len(bundle.golden.rows),
            largest_difference=max(found.v1_difference, found.v2_difference),
            requests=latency.requests,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
        )

    def promote(self, version: Version, expected: str, reason: str) -> None:
        """Move the requests step by step, then the aliases, then end the old server.

        The aliases move when the canary answers everything and has been watched, while the old
        version still runs: when they cannot be moved, the requests go back to it at once.

        Args:
            version: the verified version.
            expected: the version that must be in production; empty before the first.
            reason: is recorded with the move.

        Raises:
            ConflictError: another one is in production.
            PromotionUnfinished: the registry failed while the aliases moved; the canary goes on
                answering everything, and doing this again completes it.
            VerificationError: there is no canary of this version, or it does not answer as it
                should.
        """
        _check_verified(version)
        with self._or_withdrawn(version.number):
            bundle = self._bundle(version)
            self._shift(version.number, bundle)
            self._registry.promote(version.number, expected=expected, reason=reason)
        url = self._target.finish(version.number)
        example = write_example(bundle, self._settings.state_dir)
        self._report.add(version=version.number, endpoint=url, example=str(example))

    def _shift(self, version: str, bundle: Bundle) -> None:
        """Give the canary its shares, from the one that it has; none when it is stable already."""
        serving, rollout = self._target.serving(), self._rollout
        url = self._target.url_of(version)
        if serving.canary is None:
            return
        steps = rollout.steps if serving.stable else (100,)
        left = [step for step in steps if step >= serving.percent]
        for done, percent in enumerate(left, start=1):
            self._target.shift(version, percent)
            found = watch_server(url, version, bundle, rollout.seconds, rollout.limits)
            said = f"{percent} %: {found.served} requests, p95 {found.latency.p95_ms} ms"
            self._report.progress(said, done, len(left))

    def _check_production(self, version: str, expected: str) -> None:
        production = self._registry.production()
        found = production.number if production else ""
        if found not in (expected, version):
            raise ConflictError(
                f"version {version} was compared with {_named(expected)}, but production is "
                f"{_named(found)} now; run again, and it is compared with that"
            )

    def _bundle(self, version: Version) -> Bundle:
        return BundleStore(self._settings.bundle_store).get(version.bundle_uri)

    @contextmanager
    def _or_withdrawn(self, version: str) -> Iterator[None]:
        """Take the canary away when the block fails, and record why on its version."""
        try:
            yield
        except PromotionUnfinished:
            raise
        except BaseException as error:
            self._withdraw(version, error)
            raise

    def _withdraw(self, version: str, error: BaseException) -> None:
        try:
            self._target.withdraw(version)
            self._registry.tag(version, VERIFICATION, f"failed: {error}"[:500])
        except HealthPredictError as second:  # the first error is the reason that counts
            error.add_note(f"and the canary could not be taken away: {second}")


def write_example(bundle: Bundle, state: Path) -> Path:
    """Write a request that can be sent as it is: the first golden row, which is synthetic."""
    path = state / "example.json"
    path.write_text(json.dumps({"instances": [bundle.golden.rows[0]]}, indent=1) + "\n", "utf-8")
    return path


def now() -> str:
    """Return the time as ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def is_verified(version: Version) -> bool:
    """Whether a canary of the version has passed its verification."""
    return version.tags.get(VERIFICATION, "").startswith("passed")


def _check_verified(version: Version) -> None:
    if not is_verified(version):
        raise VerificationError(f"version {version.number} has not been verified")


def _named(version: str) -> str:
    return f"version {version}" if version else "none"
