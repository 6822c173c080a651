"""Where a data set's files stand below one prefix, in a folder or in a bucket.

``raw_data/``, ``processed_data/<table>.parquet`` and ``drift/reports/<name>.html``.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec

from components.errors import InputError
from components.ingest.uri import UnreachableError, local_path, reached, storage_options


@dataclass(frozen=True, slots=True)
class DataPrefix:
    """A folder or ``s3://bucket/prefix`` that holds a data set's files.

    Attributes:
        uri: a path, a ``file:`` URI or an ``s3:`` URI.
    """

    uri: str

    def __post_init__(self) -> None:
        """Check the URI.

        Raises:
            InputError: it is neither a path nor a URI that can be written to.
        """
        parts = urlsplit(self.uri)
        if parts.scheme == "s3" and not parts.netloc:
            raise InputError(f"{self.uri!r}: names no bucket; write it as s3://bucket/prefix")
        if parts.scheme not in ("", "file", "s3"):
            raise InputError(
                f"{self.uri!r}: cannot be written to; give a path, file:///... or "
                "s3://bucket/prefix"
            )
        if not parts.scheme and not _is_path(self.uri):
            raise InputError(
                f"{self.uri!r}: neither a path nor a URI; write ./{self.uri} for a new folder, or "
                "s3://bucket/prefix"
            )

    def raw(self, name: str) -> str:
        """Return the URI of a file as it was received."""
        return self._below("raw_data", name)

    def processed(self, table: str) -> str:
        """Return the URI of a table, such as ``train`` or ``batch-1``."""
        return self._below("processed_data", f"{_plain(table)}.parquet")

    def drift_report(self, batch: int | str) -> str:
        """Return the URI of a drift report: of a batch's number, or by its name."""
        name = f"batch-{batch}" if isinstance(batch, int) else _plain(batch)
        return self._below("drift/reports", name if PurePosixPath(name).suffix else f"{name}.html")

    def put(self, local: Path, uri: str) -> None:
        """Copy a local file to ``uri``, where it is whole or not at all.

        Raises:
            InputError: there is no such file.
            UnreachableError: the bucket cannot be written to.
            OSError: the local disk refuses it, as when it is full.
        """
        if not local.is_file():
            raise InputError(f"{local}: no such file")
        if target := local_path(uri):
            _copy(local, target)
            return
        with reached(uri, "written"):
            files, path = fsspec.core.url_to_fs(uri, **storage_options(uri))
            _check_bucket(uri, files, path.partition("/")[0])
            files.put_file(str(local), path)
            stored = files.info(path)["size"]
        _check_size(uri, stored, local.stat().st_size)

    def exists(self, uri: str) -> bool:
        """Whether something is at ``uri``.

        Raises:
            UnreachableError: the bucket does not answer or does not exist.
        """
        if target := local_path(uri):
            return target.exists()
        with reached(uri):
            files, path = fsspec.core.url_to_fs(uri, **storage_options(uri))
            try:
                files.info(path)
            except FileNotFoundError as error:
                if error.__cause__:  # not the object but its bucket
                    raise
                return False
            return True

    def _below(self, folder: str, name: str) -> str:
        if root := local_path(self.uri):
            return (root.absolute() / folder / _plain(name)).as_uri()
        return f"{self.uri.rstrip('/')}/{folder}/{_plain(name)}"


def _is_path(text: str) -> bool:
    """Whether a text without a scheme is meant as a path, and not as a bucket's name."""
    first = text.partition("/")[0]
    return bool(text) and (first in ("", ".", "..") or Path(first).exists())


def _plain(name: str) -> str:
    if not name or "/" in name or name in (".", ".."):
        raise InputError(f"{name!r}: is no plain file name")
    return name


def _check_bucket(uri: str, files: Any, bucket: str) -> None:
    """Refuse a bucket that does not exist: some servers make one of whatever name is put to."""
    try:
        files.info(bucket)
    except PermissionError:
        pass  # who may write need not be allowed to look at the bucket
    except FileNotFoundError:
        message = f"{uri}: cannot be written: the bucket does not exist: {bucket}"
        raise UnreachableError(message) from None


def _copy(local: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(local, partial)
        _check_size(target.as_uri(), partial.stat().st_size, local.stat().st_size)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _check_size(uri: str, stored: int, sent: int) -> None:
    if stored != sent:
        raise UnreachableError(f"{uri}: cannot be written: {stored} of {sent} bytes arrived")
