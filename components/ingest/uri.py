"""What a URI says: its path, how fsspec is to open it, and one kind of error for all of fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from components.errors import InputError, one_line

REMOTE = ("http", "https", "s3")
"""Schemes of what lies on another machine."""

_CONNECT_SECONDS = 30
_SILENT_SECONDS = 60
_PASSING_STATUS = (408, 425, 429)


class UnreachableError(InputError):
    """The source could not be reached or does not exist there."""


class BrokenOffError(UnreachableError):
    """The source stopped to answer, or changed meanwhile; trying again may mend that."""


def local_path(uri: str) -> Path | None:
    """Return the path that a ``file:`` URI or a URI without a scheme names; else ``None``."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme in REMOTE else Path(uri)


def is_s3(uri: str) -> bool:
    """Whether a URI names an object or a bucket."""
    return urlsplit(uri).scheme == "s3"


def storage_options(uri: str) -> dict[str, Any]:
    """Return how fsspec is to open a URI: with the environment's proxies and S3 endpoint."""
    if not is_s3(uri):
        from aiohttp import ClientTimeout  # slow to import, and not needed for local files

        # aiohttp's own limit is on a whole download, however large.
        timeout = ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS)
        return {"client_kwargs": {"trust_env": True, "timeout": timeout}}
    # No cached listings: another process may have written since. None lets botocore choose.
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
    return {"anon": False, "endpoint_url": endpoint, "use_listings_cache": False}


@contextmanager
def reached(uri: str, done: str = "read") -> Iterator[None]:
    """Make one line of what goes wrong in fsspec; each of its backends raises its own kinds.

    Raises:
        UnreachableError: something went wrong.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        kind = BrokenOffError if _may_pass(error) else UnreachableError
        raise kind(f"{uri}: cannot be {done}: {_reason(error)}") from error


def _may_pass(error: BaseException) -> bool:
    from aiohttp import ClientError
    from botocore.exceptions import (  # type: ignore[import-untyped]
        EndpointConnectionError,
        NoCredentialsError,
    )

    cause = error
    if isinstance(error, FileNotFoundError):  # fsspec's word for any failure of a web server
        if not isinstance(error.__cause__, (ClientError, OSError)):
            return False
        cause = error.__cause__
    status = getattr(cause, "status", None)
    if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST:
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING_STATUS
    return not isinstance(
        cause, (PermissionError, ValueError, NoCredentialsError, EndpointConnectionError)
    )


def _reason(error: Exception) -> str:
    """Say why, from below fsspec's own error where that holds nothing but the address."""
    if not isinstance(error, FileNotFoundError):
        return one_line(error) or type(error).__name__
    return one_line(error.__cause__) if error.__cause__ else "it does not exist there"
