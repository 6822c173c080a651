"""The bundle store: each bundle under its content address, never changed once it is there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec

from components.errors import BundleError
from components.registry.bundle import Bundle, load_bundle


class BundleStore:
    """A folder or a bucket that keeps bundles as ``sha256-<digest>/``."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        # No cached listings: another process may have stored a bundle since.
        self._files, root = fsspec.core.url_to_fs(self._uri, use_listings_cache=False)
        self._root = str(local_path(self._uri) or root)

    def put(self, directory: Path) -> str:
        """Store a bundle, and return its immutable URI.

        The bundle is loaded first, so that none that could not be served is ever stored; its
        manifest is written last, so that a broken upload is never taken for a bundle.

        Raises:
            BundleError: the folder is no sound bundle, or another stands at its address.
        """
        bundle = load_bundle(directory)
        name = f"sha256-{bundle.digest}"
        target = f"{self._root}/{name}"
        if not self._files.exists(f"{target}/manifest.json"):
            self._files.makedirs(target, exist_ok=True)
            for path in sorted(directory.iterdir(), key=lambda p: p.name == "manifest.json"):
                self._files.put_file(str(path), f"{target}/{path.name}")
        uri = f"{self._uri}/{name}"
        self.get(uri)
        return uri

    def get(self, uri: str) -> Bundle:
        """Load a stored bundle by the URI that :meth:`put` returned.

        Raises:
            BundleError: it is not there, or not the one that was stored.
        """
        bundle = self._load(uri)
        if not uri.endswith(f"sha256-{bundle.digest}"):
            raise BundleError(f"{uri}: holds another bundle than its address says")
        return bundle

    def _load(self, uri: str) -> Bundle:
        if local := local_path(uri):
            return load_bundle(local)
        path = urlsplit(uri)
        with tempfile.TemporaryDirectory() as folder:
            try:
                self._files.get(f"{path.netloc}{path.path}/", f"{folder}/", recursive=True)
            except FileNotFoundError:
                raise BundleError(f"{uri}: no such bundle in the store") from None
            return load_bundle(Path(folder))


def local_path(uri: str) -> Path | None:
    """Return the folder of a ``file:`` URI; ``None`` for any other."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
