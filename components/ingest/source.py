"""Bring the raw file to this machine: a path, ``https://``, ``s3://``, or a synthetic cohort."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec

from components.errors import InputError, one_line

UCI_URI = "https://archive.ics.uci.edu/ml/machine-learning-databases/00296/dataset_diabetes.zip"
UCI_SHA256 = "2cc570fc34b09ba1169d94b68c27ce3802dce7dc4ab6082bed833a6c195507a5"
"""The published archive (doi 10.24432/C5230J, CC BY 4.0) and its checksum."""

_CHUNK = 1 << 20
_REMOTE = ("http", "https", "s3")


class UnreachableError(InputError):
    """The source could not be reached or does not exist there."""


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """Size and seed of a synthetic cohort, as named by ``synthetic:rows=N&seed=S``."""

    rows: int
    seed: int

    @classmethod
    def parse(cls, uri: str) -> SyntheticSpec | None:
        """Read a ``synthetic:`` URI; ``None`` for any other.

        Raises:
            InputError: the URI is synthetic but malformed.
        """
        parts = urlsplit(uri)
        if parts.scheme != "synthetic":
            return None
        try:
            given = {key: int(values[-1]) for key, values in parse_qs(parts.path).items()}
            return cls(rows=given.pop("rows"), seed=given.pop("seed", 0), **given)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{uri!r}: write it as synthetic:rows=20000&seed=0") from None


@dataclass(frozen=True, slots=True)
class RawFile:
    """A raw file on this machine and the sha256 of its bytes."""

    path: Path
    sha256: str


def fetch(uri: str, cache: Path, sha256: str = "") -> RawFile:
    """Return the file that ``uri`` names, downloaded into ``cache`` where it is remote.

    A download is kept under its checksum, so that the next run with the same one needs no network.

    Args:
        uri: a path, or a URI with the scheme ``file``, ``https``, ``http`` or ``s3``.
        cache: folder for downloads; made when it is absent.
        sha256: expected checksum of the file's bytes; empty when unknown.

    Raises:
        InputError: no such file, no scheme, or another checksum than ``sha256``.
        UnreachableError: a remote source did not answer.
    """
    scheme = urlsplit(uri).scheme
    if scheme in _REMOTE:
        cached = cache / sha256.lower()
        kept = sha256 and cached.is_file() and digest(cached) == cached.name
        path = cached if kept else _download(uri, cache, sha256)
        return RawFile(path, path.name)  # a download is kept under its checksum
    path = Path(unquote(urlsplit(uri).path)) if scheme == "file" else Path(uri)
    if not path.is_file():
        raise InputError(_no_such_file(uri, path))
    try:
        return RawFile(path, _checked(uri, digest(path), sha256))
    except PermissionError as error:
        raise InputError(f"{uri}: cannot be read: {error.strerror}") from None


def digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _no_such_file(uri: str, path: Path) -> str:
    if path.is_dir():
        return f"{uri}: is a folder, not a file"
    if "/" in uri or path.suffix:
        return f"{uri}: no such file, and no URI with a scheme (https://, s3://, file://)"
    return f"{uri!r}: neither a file nor a URI; give a path, https://... or s3://..."


def _download(uri: str, cache: Path, sha256: str) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f"download-{os.getpid()}.part"
    try:
        with fsspec.open(uri, "rb", **_options(uri)) as remote, partial.open("wb") as local:
            shutil.copyfileobj(remote, local, _CHUNK)
        path = cache / _checked(uri, digest(partial), sha256)
        return partial.rename(path)
    except InputError:
        raise
    except Exception as error:  # each fsspec backend raises its own kinds
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise UnreachableError(f"{uri}: cannot be read: {_reason(error)}") from error
    finally:
        partial.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """Say why, from below fsspec's own error where that holds nothing but the address."""
    if not isinstance(error, FileNotFoundError):
        return one_line(error) or type(error).__name__
    return one_line(error.__cause__) if error.__cause__ else "it does not exist there"


def _options(uri: str) -> dict[str, Any]:
    if uri.startswith("s3://"):
        # None lets botocore take AWS_ENDPOINT_URL.
        return {"anon": False, "endpoint_url": os.environ.get("AWS_ENDPOINT_URL")}
    return {"client_kwargs": {"trust_env": True}, "block_size": 0}


def _checked(uri: str, actual: str, expected: str) -> str:
    if expected and actual != expected.lower():
        raise InputError(f"{uri}: sha256 is {actual}, expected {expected}; the file is another one")
    return actual
