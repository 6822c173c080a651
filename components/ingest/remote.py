"""A remote file: what its server says of it, and its bytes from any one on."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import fsspec

from components.ingest.uri import BrokenOffError, is_s3, reached, storage_options

_CHUNK = 256 << 10  # twice as much is lost from aiohttp's buffer when a connection ends
_S3_CHUNK = 8 << 20  # each read of an object is a request of its own


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote file as it was when it was looked at.

    Attributes:
        uri: its URI.
        files: the fsspec file system that reads it.
        path: its name there.
        size: in bytes; ``None`` when the server does not say.
        tag: what the server says of the content's version; empty when nothing is reliable.
        folder: whether it is a prefix of objects.
        ranges: whether it may be read from the middle on.
    """

    uri: str
    files: Any
    path: str
    size: int | None
    tag: str
    folder: bool
    ranges: bool

    def open_at(self, start: int) -> tuple[int, Any]:
        """Open the file at a byte, or at the first where the server knows no ranges.

        Returns:
            The byte at which the opened file stands, and the file.

        Raises:
            UnreachableError: it cannot be read, or is no longer what was looked at.
        """
        with reached(self.uri):
            return self._object_at(start) if is_s3(self.uri) else self._page_at(start)

    def read(self, body: Any) -> bytes:
        """Read on in the opened file; empty at its end.

        Raises:
            UnreachableError: it broke off.
        """
        with reached(self.uri):
            chunk: bytes = body.read(_S3_CHUNK if is_s3(self.uri) else _CHUNK)
            return chunk

    def _object_at(self, start: int) -> tuple[int, Any]:
        """Open an object; s3fs itself asks with each read for the version that it opened."""
        body = self.files.open(self.path, "rb", cache_type="none")
        if body.details.get("ETag", "") != self.tag or body.size != (self.size or 0):
            raise BrokenOffError(f"{self.uri}: changes while it is read")
        body.seek(start)
        return start, body

    def _page_at(self, start: int) -> tuple[int, Any]:
        # fsspec's own file with ranges would ask for each block without its version.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            headers |= {"If-Range": self.tag} if self.tag else {}
        try:
            body = self.files.open(self.path, block_size=0, size=self.size, headers=headers)
        except Exception as error:
            status = getattr(error, "status", None)
            if not start or status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return self._page_at(0)
        partial = body.r.status == HTTPStatus.PARTIAL_CONTENT
        if self._is_other(body.r.headers, start, partial):
            body.close()
            raise BrokenOffError(f"{self.uri}: changes while it is read")
        return (start if partial else 0), body

    def _is_other(self, headers: Any, start: int, partial: bool) -> bool:
        """Whether an answer is of another content than the one that was looked at."""
        length = headers.get("Content-Length")
        if partial:
            place, _, length = headers.get("Content-Range", "").partition("/")
            if not place.startswith(f"bytes {start}-"):
                return True
        elif "Content-Encoding" in headers:
            length = None
        if self.size is not None and str(length).isdecimal() and int(length) != self.size:
            return True
        return _tag(headers) not in ("", self.tag)


def look(uri: str) -> Remote:
    """Ask what a remote URI names, without reading it.

    Raises:
        UnreachableError: it does not answer, or there is no such file.
    """
    with reached(uri):
        files, path = fsspec.core.url_to_fs(uri, **storage_options(uri))
        info = files.info(path)
    return Remote(
        uri,
        files,
        path,
        info["size"] or None,  # some servers say 0 for what they have yet to make
        _tag(info),
        folder=info["type"] == "directory",
        ranges=info.get("partial", True),
    )


def _tag(headers: Any) -> str:
    """Return what names a content byte for byte; a weak ETag does not."""
    etag = str(headers.get("ETag") or "")
    return etag if etag and not etag.startswith("W/") else str(headers.get("Last-Modified") or "")


def files_in(uri: str) -> list[str]:
    """Return the names of the objects directly below a prefix.

    Raises:
        UnreachableError: the bucket does not answer, or there is no such prefix.
    """
    with reached(uri):
        files, path = fsspec.core.url_to_fs(uri, **storage_options(uri))
        listed = files.ls(path, detail=True)
    return [str(f["name"]).rpartition("/")[2] for f in listed if f["type"] == "file"]
