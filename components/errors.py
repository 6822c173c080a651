"""The project's errors: each says what was wrong, where, and what to do."""

from __future__ import annotations

from typing import ClassVar


def one_line(error: BaseException) -> str:
    """Return an error's message without its line breaks."""
    return " ".join(str(error).split())


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
