"""One POST to a webhook, bounded in time; nothing of its URL but the host is ever told.

Slack's own client library would add retries over several endpoints and a token; a webhook is one
POST.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread, get_ident
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from components.errors import HealthPredictError, one_line

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_REASON = re.compile(r"[a-z][a-z_]{2,59}")
_BUSY = 429
_LOGGERS = ("httpx", *(f"httpcore.{name}" for name in ("connection", "http11", "proxy", "socks")))


class WebhookError(HealthPredictError):
    """A webhook did not take a message; the text holds nothing of its URL but the host."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a webhook is waited for.

    Attributes:
        attempt_s: seconds for each part of one attempt: to connect, to send, to be answered.
        waits_s: seconds before each further attempt.
        total_s: seconds for everything.
    """

    attempt_s: float = 4.0
    waits_s: tuple[float, ...] = (0.5, 1.0)
    total_s: float = 15.0


@dataclass(frozen=True, slots=True)
class _Failure:
    why: str
    passing: bool = True


def post(url: SecretStr, message: Mapping[str, Any], patience: Patience | None = None) -> None:
    """Post a message as JSON.

    Args:
        url: of the webhook; its path is a secret.
        message: the body.
        patience: how long to wait; by default 15 s in all.

    Raises:
        WebhookError: it was not taken.
    """
    secret, waiting = url.get_secret_value().strip(), patience or Patience()
    host = _host(secret)
    answer: SimpleQueue[str] = SimpleQueue()

    def work() -> None:
        answer.put(_deliver(secret, message, waiting))

    # httpx bounds each read and not the whole, and nothing bounds a look-up of a name.
    Thread(target=work, name="webhook", daemon=True).start()
    try:
        why = answer.get(timeout=waiting.total_s)
    except Empty:
        why = f"not done within {waiting.total_s:g} s"
    if why:
        raise WebhookError(f"webhook at {host}: {why}")


def _host(url: str) -> str:
    """Return the URL's host.

    Raises:
        WebhookError: the URL is malformed; nothing of it is told, as its path may stand anywhere.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        sound = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        host, sound = "", False
    if not sound or not _HOST.fullmatch(host):
        raise WebhookError(
            "the webhook's URL is malformed; write it as https://HOST/PATH"
        ) from None
    return host


def _deliver(url: str, message: Mapping[str, Any], patience: Patience) -> str:
    """Return why the message was not taken; empty when it was."""
    why = ""
    with _unlogged():
        for wait in (0.0, *patience.waits_s):
            time.sleep(wait)
            failure = _attempt(url, message, patience.attempt_s)
            if failure is None:
                return ""
            why = failure.why
            if not failure.passing:
                break
    return why


def _attempt(url: str, message: Mapping[str, Any], seconds: float) -> _Failure | None:
    try:
        answer = httpx.post(url, json=message, timeout=seconds)
    except httpx.TimeoutException:
        return _Failure(f"no answer within {seconds:g} s")
    except httpx.ConnectError as error:  # the system's or TLS's own words, which know no path
        return _Failure(one_line(error) or "no connection")
    except httpx.TransportError as error:
        return _Failure(type(error).__name__)
    except Exception as error:  # its text may quote the URL
        return _Failure(type(error).__name__, passing=False)
    if answer.is_success:
        return None
    passing = answer.is_server_error or answer.status_code == _BUSY
    return _Failure(f"answered {answer.status_code}{_reason(answer.text, url)}", passing)


def _reason(body: str, url: str) -> str:
    """Return Slack's word for a refusal, such as ``no_service``; nothing of another text."""
    word = body.strip()
    return f" {word}" if _REASON.fullmatch(word) and word not in url else ""


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep this thread's httpx from logging the URL: KFP's executor shows every library's INFO."""
    here, loggers = get_ident(), [logging.getLogger(name) for name in _LOGGERS]

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    for logger in loggers:
        logger.addFilter(elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(elsewhere)
