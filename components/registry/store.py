"""The bundle store: each bundle under its content address, never changed once it is there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import BundleError
from components.registry.bundle import Bundle, load_bundle
from components.registry.files import read_files
from components.registry.places import aside, local_path, move, place, store_errors

__all__ = ["BundleStore", "local_path"]

TIMEOUT_S = 15.0


class BundleStore:
    """A folder or a bucket that keeps bundles as ``sha256-<digest>/``.

    Every method raises :class:`StoreError` when the store cannot be reached, is full, or refuses.

    Args:
        uri: ``file:///folder`` or ``s3://bucket/prefix``.
        timeout_s: seconds that a bucket may take for one answer.
    """

    def __init__(self, uri: str, timeout_s: float = TIMEOUT_S) -> None:
        self._uri = uri.rstrip("/")
        self._timeout_s = timeout_s

    def put(self, directory: Path) -> str:
        """Store a bundle, and return its immutable URI.

        The bundle is loaded first, so that none that could not be served is ever stored; an upload
        that breaks off leaves nothing that would be taken for a bundle.

        Raises:
            BundleError: the folder is no sound bundle, or another stands at its address.
        """
        name = f"sha256-{load_bundle(directory).digest}"
        store = place(self._uri, self._timeout_s)
        if not store.holds(name):
            store.write(directory, name)
        uri = f"{self._uri}/{name}"
        self.get(uri)
        return uri

    def get(self, uri: str) -> Bundle:
        """Load a stored bundle by the URI that :meth:`put` returned.

        Raises:
            BundleError: it is not there, or not the one that was stored; names the file.
        """
        with tempfile.TemporaryDirectory() as folder:
            read = self._read(uri, Path(folder))
            with _named(uri, read):
                bundle = load_bundle(read)
        _check_address(uri, bundle.digest)
        return bundle

    def fetch(self, uri: str, cache: Path) -> Path:
        """Return a folder of this machine that holds a stored bundle, after checking every file.

        Args:
            uri: as :meth:`put` returned it. A ``file:`` URI's folder is returned as it is.
            cache: keeps copies of what lies in a bucket, as ``sha256-<digest>/``; a copy that was
                altered is replaced.

        Raises:
            BundleError: it is not there, or not the one that was stored; names the file.
        """
        if folder := local_path(uri):
            _check(folder, uri)
            return folder
        copy = cache / uri.rpartition("/")[2]
        if not _is_sound(copy, uri):
            with store_errors(f"{cache} does not take {uri}"), aside(cache) as part:
                part.mkdir()
                _check(self._read(uri, part), uri)
                move(part, copy, lambda: _is_sound(copy, uri))
        return copy

    def _read(self, uri: str, folder: Path) -> Path:
        store, _, name = uri.rpartition("/")
        return place(store, self._timeout_s).read(name, folder)


def _is_sound(folder: Path, uri: str) -> bool:
    try:
        _check(folder, uri)
    except BundleError:
        return False
    return True


def _check(folder: Path, uri: str) -> None:
    with _named(uri, folder):
        _check_address(uri, read_files(folder)[1])


def _check_address(uri: str, digest: str) -> None:
    if not uri.endswith(f"sha256-{digest}"):
        raise BundleError(f"{uri}: holds another bundle than its address says")


@contextmanager
def _named(uri: str, folder: Path) -> Iterator[None]:
    """Name the store's address, and not the folder that a bundle was downloaded to."""
    try:
        yield
    except BundleError as error:
        raise BundleError(str(error).replace(str(folder), uri)) from error
