"""The one form of an error: ``{"error": one line, "details": [one object a bad field]}``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from components.errors import InputError

MAX_DETAILS = 100
MAX_ECHO = 80
"""Longest part of a sent value that an error repeats, in characters."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What was wrong with one field.

    ``row`` is ``None`` when the fault is the whole tensor's or body's; ``allowed`` says in words
    what would have been accepted.
    """

    row: int | None
    field: str
    value: object
    why: str
    allowed: str | None = None


class RequestError(InputError):
    """A request that is refused: its status and everything that was wrong with it."""

    def __init__(
        self,
        summary: str,
        details: Sequence[Detail] = (),
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    ) -> None:
        super().__init__(summary)
        self.details = tuple(details)
        self.status = status

    def to_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return error_json(str(self), self.details)


class Problems:
    """Collects what is wrong with a request, so that it is all told at once."""

    def __init__(self) -> None:
        self._details: list[Detail] = []
        self._rows: set[int] = set()
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(
        self, row: int | None, field: str, value: object, why: str, allowed: str | None = None
    ) -> None:
        """Note a bad field; beyond ``MAX_DETAILS`` they are only counted."""
        self._count += 1
        if row is not None:
            self._rows.add(row)
        if len(self._details) < MAX_DETAILS:
            self._details.append(Detail(row, field[:MAX_ECHO], shown(value), why, allowed))

    def raise_any(self, rows: int) -> None:
        """Raise what was collected over ``rows`` rows.

        Raises:
            RequestError: something was.
        """
        if not self:
            return
        first, more = self._details[0], self._count - len(self._details)
        raise RequestError(
            ("1 invalid field" if self._count == 1 else f"{self._count} invalid fields")
            + (f" in {len(self._rows)} of {rows} rows" if self._rows else "")
            + f"; first: {json.dumps(first.field)}: {first.why}"
            + (f"; {more} more are not listed" if more else ""),
            self._details,
        )


def error_json(summary: str, details: Sequence[Detail] = ()) -> dict[str, Any]:
    """Return an error's JSON."""
    return {"error": summary, "details": [asdict(detail) for detail in details]}


def shown(value: object) -> object:
    """Return a sent value as an error may repeat it: JSON, and at most ``MAX_ECHO`` long."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value[:MAX_ECHO]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if value.bit_length() < 64 else f"an integer of {value.bit_length()} bits"
    return json_type(value)


def json_type(value: object) -> str:
    """Name a value's JSON type, with its article."""
    names = {
        bool: "a boolean",
        str: "a text",
        int: "an integer",
        float: "a number",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), "a value of another type")
