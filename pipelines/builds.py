"""The images that ``skaffold build --file-output build.json`` names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from components.errors import InputError, one_line

_PINNED = re.compile(r"\S+(@sha256:|:)[0-9a-f]{64}")
_HOW = "write it with: skaffold build --file-output"


def built_image(path: Path, name: str) -> str:
    """Return the reference of a built image.

    It is pinned: a registry's digest, or a tag that is a digest itself. An image in Minikube's own
    Docker has no digest of a registry; skaffold names it by its id, or by the digest of what it
    was built from. KFP runs what a tag names at that time, so a tag that moves is refused.

    Args:
        path: of ``build.json``.
        name: of the image, without a registry or a tag.

    Raises:
        InputError: there is no such file, it does not name the image, or it is not pinned.
    """
    found = [tag for image, tag in _builds(path) if image.rpartition("/")[2] == name]
    if len(found) != 1:
        raise InputError(f"{path}: names {len(found)} images {name!r}, not one; {_HOW} {path}")
    return pinned(found[0], str(path))


def pinned(reference: str, where: str) -> str:
    """Return a reference that is pinned.

    Raises:
        InputError: it is not.
    """
    if not _PINNED.fullmatch(reference):
        raise InputError(
            f"{where}: image {reference!r} is not pinned; give name@sha256:DIGEST, or a tag of 64 "
            "hexadecimal digits as skaffold makes"
        )
    return reference


def _builds(path: Path) -> list[tuple[str, str]]:
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        return [(str(build["imageName"]), str(build["tag"])) for build in content["builds"]]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {_HOW} {path}") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__} {one_line(error)}"
        raise InputError(f"{path}: is not what skaffold writes ({reason}); {_HOW} {path}") from None
