"""Where a bundle store keeps its bundles: a folder of this machine, or a bucket."""

from __future__ import annotations

import errno
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import aiohttp
import fsspec
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from components.errors import BundleError, StoreError, causes, one_line, root_cause
from components.registry.files import MANIFEST

_REQUESTS, _ROUNDS = 3, 2
"""How often botocore sends a request, and how often s3fs has it do so."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_INSUFFICIENT_STORAGE = 507


class Place(Protocol):
    """Keeps bundles by name; each method raises :class:`StoreError` when it cannot."""

    def holds(self, name: str) -> bool:
        """Whether a whole bundle stands under a name: its manifest is there."""
        ...

    def write(self, directory: Path, name: str) -> None:
        """Store a folder's files; until all are there, nothing counts as a bundle."""
        ...

    def read(self, name: str, folder: Path) -> Path:
        """Return a folder with a bundle's files: the place's own, or ``folder`` after a download.

        Raises:
            BundleError: there is no such bundle.
        """
        ...


class Folder:
    """A folder of this machine."""

    def __init__(self, uri: str, root: Path) -> None:
        self._uri = uri
        self._root = root

    def holds(self, name: str) -> bool:
        """Whether a whole bundle stands under a name."""
        return (self._root / name / MANIFEST).exists()

    def write(self, directory: Path, name: str) -> None:
        """Copy a folder aside and move it to its name in one step."""
        with store_errors(f"the store {self._uri} does not take {name}"), aside(self._root) as part:
            part.mkdir()
            for path in directory.iterdir():
                shutil.copyfile(path, part / path.name)
            move(part, self._root / name, lambda: self.holds(name))

    def read(self, name: str, folder: Path) -> Path:
        """Return the bundle's own folder."""
        return self._root / name


class Bucket:
    """A prefix of an object store, or of any other file system that fsspec knows.

    Args:
        uri: ``s3://bucket/prefix``.
        timeout_s: seconds for a connection, and for an answer; S3 is asked six times at most.
    """

    def __init__(self, uri: str, timeout_s: float) -> None:
        self._uri = uri
        # No cached listings: another process may have stored a bundle since.
        self._files, self._root = fsspec.core.url_to_fs(
            uri, use_listings_cache=False, **_bounded(uri, timeout_s)
        )
        self._files.retries = _ROUNDS

    def holds(self, name: str) -> bool:
        """Whether a whole bundle stands under a name."""
        with store_errors(f"the store {self._uri} does not answer"):
            return bool(self._files.exists(self._path(name, MANIFEST)))

    def write(self, directory: Path, name: str) -> None:
        """Upload a folder's files, the manifest last."""
        for path in sorted(directory.iterdir(), key=lambda path: path.name == MANIFEST):
            with store_errors(f"the store {self._uri} does not take {name}/{path.name}"):
                self._files.put_file(str(path), self._path(name, path.name))

    def read(self, name: str, folder: Path) -> Path:
        """Download a bundle's files."""
        with store_errors(f"the store {self._uri} does not give {name}"):
            try:
                self._files.get(self._path(name, ""), f"{folder}/", recursive=True)
            except FileNotFoundError:
                raise BundleError(f"{self._uri}/{name}: no such bundle in the store") from None
        return folder

    def _path(self, name: str, file: str) -> str:
        return f"{self._root}/{name}/{file}"


def place(uri: str, timeout_s: float) -> Place:
    """Return the place that a URI names.

    Raises:
        StoreError: its scheme is not known here.
    """
    folder = local_path(uri)
    try:
        return Bucket(uri, timeout_s) if folder is None else Folder(uri, folder)
    except (ImportError, ValueError) as error:
        raise StoreError(f"the store {uri} cannot be opened: {one_line(error)}") from error


def local_path(uri: str) -> Path | None:
    """Return the folder of a ``file:`` URI; ``None`` for any other."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


@contextmanager
def aside(root: Path) -> Iterator[Path]:
    """Yield a path below ``root`` that nobody reads; what is left of it is removed in the end."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=root) as folder:
        yield Path(folder) / "bundle"


def move(part: Path, target: Path, is_whole: Callable[[], bool]) -> None:
    """Move a folder to its name in one step, in the place of anything that is not whole."""
    if not is_whole():
        shutil.rmtree(target, ignore_errors=True)
    try:
        part.rename(target)
    except OSError:
        if not is_whole():  # otherwise another process has put the same there
            raise


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn what file systems and their libraries raise into one line.

    Args:
        what: the store and what it does not do; the line begins with it.
    """
    handled = sys.exception()
    try:
        yield
    except (OSError, BotoCoreError, ClientError, aiohttp.ClientError) as error:
        found = causes(error, handled)
        advice = "free some space there and run again" if _is_full(found) else "run again"
        raise StoreError(f"{what}: {root_cause(error, handled)}; {advice}") from error


def _is_full(found: list[BaseException]) -> bool:
    codes = {error.errno for error in found if isinstance(error, OSError)}
    answers = [error.response for error in found if isinstance(error, ClientError)]
    status = {answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers}
    return bool(codes & _FULL) or _INSUFFICIENT_STORAGE in status


def _bounded(uri: str, timeout_s: float) -> dict[str, Any]:
    if urlsplit(uri).scheme not in ("s3", "s3a"):
        return {}
    config = {
        "connect_timeout": timeout_s,
        "read_timeout": timeout_s,
        "retries": {"mode": "standard", "total_max_attempts": _REQUESTS},
        # The bundle's own sha256 finds what was altered on the way too, and names the file.
        "response_checksum_validation": "when_required",
    }
    return {"config_kwargs": config}
