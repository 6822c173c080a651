"""What the release steps ask of the place where models are served.

There are two: server processes behind Envoy on this machine, and KServe's InferenceService on a
cluster. The steps know neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from components.settings import Settings, TargetName


@dataclass(frozen=True, slots=True)
class Revision:
    """A registered version as a target serves it.

    Attributes:
        version: the registry's number.
        bundle_uri: immutable URI of its bundle in the store.
        run_id: the pipeline run, or the command, that put it there.
    """

    version: str
    bundle_uri: str
    run_id: str

    def same_model(self, other: Revision | None) -> bool:
        """Whether the other serves the same version of the same bundle, whoever put it there."""
        mine = (self.version, self.bundle_uri)
        return other is not None and mine == (other.version, other.bundle_uri)

    @property
    def named(self) -> str:
        """The revision for a message: its version, or its bundle where no version is known."""
        return f"version {self.version}" if self.version else self.bundle_uri


@dataclass(frozen=True, slots=True)
class Serving:
    """What a target serves.

    Attributes:
        stable: answers the requests that the canary does not; ``None`` before the first release.
        canary: the version that is being released, or ``None``.
        percent: share of the requests that the canary answers.
    """

    stable: Revision | None
    canary: Revision | None = None
    percent: int = 0

    @property
    def answering(self) -> Revision | None:
        """The version that answers all requests; the stable one while they are shared."""
        return self.canary if self.canary and self.percent == 100 else self.stable

    @property
    def described(self) -> str:
        """Both sides for a message; empty when nothing serves."""
        roles = (("the canary", self.canary), ("stable", self.stable))
        return ", ".join(f"{role} is {found.named}" for role, found in roles if found)


class Target(Protocol):
    """A place where models are served.

    Each method may be called again after it was killed half way, and then ends in the same state.
    Each raises :class:`ConflictError` when somebody else changed what is served meanwhile, and
    another :class:`HealthPredictError` when the target does not do as it is told.
    """

    def serving(self) -> Serving:
        """Return what is served now."""
        ...

    def deploy(self, revision: Revision, timeout_s: float) -> str:
        """Start a revision as the canary, at 0 % of the requests, in the place of any other canary.

        The stable version is not touched. Before the first release there is none: the revision may
        then become it at once, as nothing else could answer.

        Args:
            revision: what is to be served.
            timeout_s: seconds until it must be ready.

        Returns:
            The base URL at which the canary itself answers.
        """
        ...

    def url_of(self, version: str) -> str:
        """Return the base URL at which the server of a version itself answers, past the weights.

        Raises:
            VerificationError: neither the canary nor the stable version is this one.
        """
        ...

    def shift(self, version: str, percent: int) -> None:
        """Give the canary this share of the requests, and return when they arrive so.

        Raises:
            VerificationError: the canary is not this version.
        """
        ...

    def finish(self, version: str) -> str:
        """Make the canary the stable version and end the old one; return the endpoint's URL.

        It is for a canary that answers all requests; no request is lost.
        """
        ...

    def withdraw(self, version: str = "") -> None:
        """Give all requests back to the stable version, then end the canary.

        Args:
            version: only when the canary is this version; empty for any.
        """
        ...


def target_of(settings: Settings) -> Target:
    """Return the target that the settings name."""
    if settings.deploy_target is TargetName.KSERVE:
        from components.deployment.kserve.target import KServeTarget

        return KServeTarget(settings)
    from components.deployment.local.target import LocalTarget

    return LocalTarget(settings)
