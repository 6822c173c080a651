"""What an exception becomes in an answer: a status, and the one form of an error."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from starlette.exceptions import HTTPException

from serving.errors import RequestError, error_json
from serving.logs import logger

STATUSES: dict[type[Exception], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    ModelNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    NotImplementedError: HTTPStatus.NOT_IMPLEMENTED,
    ServerNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Status of each exception of kserve's that is no fault of ours."""


def refusal(error: Exception) -> tuple[int, bytes]:
    """Return status and body of the answer to a request that raised ``error``.

    A fault of ours is logged by its place, and answered without its message: that may hold a
    patient's value.
    """
    status, content = refusal_json(error)
    # Escaped to ASCII, because a sent text may hold a lone surrogate that UTF-8 cannot carry.
    return status, json.dumps(content).encode("ascii")


def refusal_json(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return the same as JSON values."""
    if isinstance(error, RequestError):
        return error.status, error.to_json()
    if isinstance(error, HTTPException):
        return error.status_code, error_json(str(error.detail))
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind], error_json(str(error))
    logger.error("a request failed", exc_info=error)
    name = type(error).__name__
    return HTTPStatus.INTERNAL_SERVER_ERROR, error_json(f"internal error ({name}); see the log")
