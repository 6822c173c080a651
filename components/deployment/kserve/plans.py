"""What is applied to the InferenceService at each turn of a release.

``health-predict`` owns the canary and the stable predictor's model, so each body holds what it owns
already, as it stands, and changes only what the turn is about: a field that an owner leaves out of
what it applies is removed.
"""

from __future__ import annotations

from typing import TypeGuard

from components.deployment.kserve import FIRST_RELEASE, MANAGER, manifest
from components.deployment.kserve.change import Change
from components.deployment.kserve.live import Live, Predictor
from components.deployment.kserve.manifest import Body
from components.deployment.target import Revision
from components.errors import ConflictError, InputError, VerificationError


def started(live: Live, revision: Revision) -> Change | None:
    """Make a revision the canary; the stable predictor, before the first release is finished."""
    stable = live.stable
    if stable and revision.same_model(stable.revision):
        return None
    if stable is None or live.is_first:
        return _first(live, revision)
    if stable.revision.bundle_uri == revision.bundle_uri:
        raise InputError(
            f"version {revision.version} has the bundle that {stable.revision.named} serves "
            "already; KServe gives a predictor another name only with another model"
        )
    entry = manifest.canary(revision, _free_name(stable, revision), live.stable_model)
    return _with_canary(live, entry)


def weighed(live: Live, version: str, percent: int | None, pods: int) -> Change:
    """Give the canary another share of the requests (``None``: the one it has) and more pods."""
    canary_of(live, version)
    share = live.percent if percent is None else percent
    return _with_canary(live, manifest.weighed(live.canary_entry, share, pods))


def quiet(live: Live, revision: Revision) -> Change | None:
    """Take the requests away from a canary; nothing when it is not there any more."""
    canary = live.canary
    if canary is None or canary.revision != revision or live.percent == 0:
        return None
    return _with_canary(live, manifest.weighed(live.canary_entry, 0, canary.replicas))


def withdrawn(live: Live, revision: Revision) -> Change | None:
    """Remove a canary, or take a first release back that is not finished."""
    if live.serving.canary != revision:
        return None
    if live.is_first:
        return Change(manifest.without_model(live.owned(FIRST_RELEASE)), FIRST_RELEASE)
    return Change(manifest.without_canary(live.owned(MANAGER)), MANAGER)


def finished(live: Live, before: Live, version: str) -> Change | None:
    """Make the stable predictor what the canary is, whoever applied what it was.

    Args:
        live: what stands there.
        before: what stood there when the release was to be finished.
        version: the canary's.
    """
    if is_of(live.stable, version):
        return _stable(live, live.stable) if live.is_first else None
    canary = canary_of(live, version)
    if live.percent != 100:
        raise VerificationError(
            f"version {version} answers {live.percent} % of the requests; it must answer all"
        )
    if live.serving.stable != before.serving.stable:
        raise ConflictError(
            f"somebody changed the stable version meanwhile{live.instead}; run again"
        )
    return _stable(live, canary)


def canary_of(live: Live, version: str) -> Predictor:
    """Return the canary.

    Raises:
        VerificationError: it is not this version.
    """
    if not is_of(live.canary, version):
        raise VerificationError(f"version {version} is not the canary{live.instead}")
    return live.canary


def stable_of(live: Live, version: str) -> Predictor:
    """Return the stable predictor.

    Raises:
        VerificationError: it is not this version.
    """
    if not is_of(live.stable, version):
        raise VerificationError(f"version {version} is not the stable one{live.instead}")
    return live.stable


def side_of(live: Live, version: str) -> Predictor:
    """Return the canary or the stable predictor, whichever is this version.

    Raises:
        VerificationError: neither is.
    """
    for side in (live.canary, live.stable):
        if is_of(side, version):
            return side
    raise VerificationError(f"version {version} does not serve{live.instead}")


def is_of(side: Predictor | None, version: str) -> TypeGuard[Predictor]:
    """Whether a side is there and serves a version."""
    return side is not None and side.revision.version == version


def _first(live: Live, revision: Revision) -> Change:
    name = f"v{revision.version}"
    fields = {"spec": {"predictor": manifest.stable(revision, name)}}
    base = live.owned(FIRST_RELEASE) if live.body else manifest.revision(revision)
    return Change(manifest.merged(base, fields), FIRST_RELEASE)


def _stable(live: Live, side: Predictor) -> Change:
    fields = {"spec": {"predictor": manifest.stable(side.revision, side.name)}}
    base = manifest.without_canary(live.owned(MANAGER))
    return Change(manifest.merged(base, fields), MANAGER, force=True)


def _with_canary(live: Live, entry: Body) -> Change:
    fields = {"spec": {"canary": [entry]}}
    return Change(manifest.merged(live.owned(MANAGER), fields), MANAGER)


def _free_name(stable: Predictor, revision: Revision) -> str:
    """Return a name that the stable predictor, in which a person may put any model, has not."""
    name = f"v{revision.version}"
    return f"{name}-again" if stable.name == name else name
