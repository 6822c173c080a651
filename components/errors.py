"""The project's errors: each says what was wrong, where, and what to do."""

from __future__ import annotations

import os
import socket
import ssl
from typing import ClassVar

_LONGEST = 300


def one_line(said: BaseException | str) -> str:
    """Return a text, or an error's message, without its line breaks."""
    return " ".join(str(said).split())


def causes(error: BaseException, handled: BaseException | None = None) -> list[BaseException]:
    """Return an error, what it comes from, what that comes from, and so on.

    Args:
        error: what a library raised.
        handled: what was being handled when the library was called, which is no cause of it.
    """
    found = [error]
    while (deeper := error.__cause__ or error.__context__) and deeper is not handled:
        error = deeper
        found.append(error)
    return found


def root_cause(error: BaseException, handled: BaseException | None = None) -> str:
    """Return in a few words what an error comes from in the end: "connection refused"."""
    root = causes(error, handled)[-1]
    if isinstance(root, OSError) and root.errno:
        foreign = isinstance(root, (socket.gaierror, ssl.SSLError))  # numbers of their own
        return (root.strerror or "" if foreign else os.strerror(root.errno)).lower()
    return one_line(root)[:_LONGEST] or type(root).__name__


class HealthPredictError(Exception):
    """Something failed that retrying with the same input may mend; exit code 1."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "failure"


class InputError(HealthPredictError):
    """The user's input or setting is wrong; exit code 2."""

    exit_code: ClassVar[int] = 2
    kind: ClassVar[str] = "input"


class BundleError(HealthPredictError):
    """A bundle is incomplete, altered, or does not reproduce its own numbers."""

    kind: ClassVar[str] = "bundle"


class VerificationError(HealthPredictError):
    """A served model is not the one that was deployed, or does not answer as it should."""

    kind: ClassVar[str] = "verification"


class ConflictError(HealthPredictError):
    """Somebody else changed what this change was based on."""

    kind: ClassVar[str] = "conflict"


class PromotionConflict(ConflictError):
    """Production is no longer the version that the candidate was compared with."""


class RegistryError(HealthPredictError):
    """MLflow does not answer, or does not do what it is asked.

    Attributes:
        code: MLflow's error code, such as ``RESOURCE_DOES_NOT_EXIST``; empty when none came.
    """

    kind: ClassVar[str] = "registry"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class PromotionUnfinished(RegistryError):
    """MLflow failed after a promotion was sent: it may stand, and running it again completes it."""


class StoreError(HealthPredictError):
    """The bundle store cannot be reached, is full, or does not take or give what it is asked."""

    kind: ClassVar[str] = "store"
