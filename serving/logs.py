"""Logs: one JSON object a record on stderr, and never a value of a patient."""

from __future__ import annotations

import json
import logging
import logging.config
import re
import secrets
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

logger = logging.getLogger("serving")

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; every log line of it carries it."""

_PLAIN_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON.

    An exception is told by its type and where it was raised: its message may quote a request.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; ``extra={"fields": {...}}`` adds to it."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
            **({"request_id": request} if (request := REQUEST_ID.get()) else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _frames(record.exc_info[2])
        return json.dumps(line, default=str)


def configure_logging() -> None:
    """Send our records from INFO and the libraries' from WARNING to stderr, as JSON lines.

    uvicorn's access log is off: a path or query is a client's text.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            "loggers": {
                "serving": {"level": "INFO"},
                "uvicorn.access": {"handlers": [], "propagate": False},
            },
        }
    )
    logging.captureWarnings(True)


def request_id(sent: bytes | None) -> str:
    """Return the id that a client sent, when it is a plain one; else a new one."""
    if sent is not None and _PLAIN_ID.fullmatch(sent):
        return sent.decode("ascii")
    return secrets.token_hex(16)


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
