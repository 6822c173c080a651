"""The one file of third parties' versions."""

from __future__ import annotations

from manifests.rendered import MANIFESTS


def versions() -> dict[str, str]:
    """Return the variables of manifests/platform/versions.env."""
    lines = (MANIFESTS / "platform/versions.env").read_text().splitlines()
    pairs = [line.partition("=")[::2] for line in lines if line and not line.startswith("#")]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found
