"""A bundle's folder: which files it holds, and the manifest that vouches for each.

Format 2 added ``calibration.json`` and the optional ``explainer.ubj``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import BundleError

FORMAT = 2
MANIFEST = "manifest.json"
CALIBRATION, EXPLAINER = "calibration.json", "explainer.ubj"

_FIRST = frozenset({"encoder.json", "facts.json", "golden.json", "model.onnx", "schema.json"})
_REQUIRED = {1: _FIRST, FORMAT: _FIRST | {CALIBRATION}}
_OPTIONAL = {1: frozenset[str](), FORMAT: frozenset({EXPLAINER})}


def write_files(contents: Mapping[str, bytes], directory: Path) -> str:
    """Write a bundle's files and their manifest into a new directory.

    Returns:
        The digest: sha256 of the manifest, which holds the sha256 of every other file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    hashes = {name: _sha256(content) for name, content in sorted(contents.items())}
    manifest = encode({"format": FORMAT, "sha256": hashes})
    (directory / MANIFEST).write_bytes(manifest)
    return _sha256(manifest)


def read_files(directory: Path) -> tuple[dict[str, bytes], str]:
    """Read a bundle's files and check each against the manifest.

    Returns:
        The content of every file, and the digest.

    Raises:
        BundleError: the folder is no bundle, or a file is missing, added or altered.
    """
    manifest = _read(directory, MANIFEST)
    try:
        declared = json.loads(manifest)
        hashes, version = dict(declared["sha256"]), int(declared["format"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {directory}: {MANIFEST} is malformed: {error}") from error
    if version not in _REQUIRED:
        raise BundleError(f"bundle {directory}: format {version}, this loader reads up to {FORMAT}")
    _check_names(directory, set(hashes), version)
    contents = {name: _read(directory, name) for name in sorted(hashes)}
    altered = [name for name, content in contents.items() if _sha256(content) != hashes[name]]
    if altered:
        raise BundleError(f"bundle {directory}: sha256 of {', '.join(altered)} is wrong")
    return contents, _sha256(manifest)


def encode(value: Any) -> bytes:
    """Return a value as JSON, the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, allow_nan=False, indent=1).encode()


def _check_names(directory: Path, declared: set[str], version: int) -> None:
    required = _REQUIRED[version]
    present = {path.name for path in directory.iterdir() if path.name != MANIFEST}
    unknown = declared - required - _OPTIONAL[version]
    if present != declared or unknown or required - declared:
        raise BundleError(
            f"bundle {directory}: holds {sorted(present)}, expected {sorted(required)}"
        )


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {directory}: {name} cannot be read: {error.strerror}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
