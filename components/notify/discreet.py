"""Which error messages may leave the log of the step that failed.

A step that reads encounters may quote them: ingest names the offending values of a file on purpose,
and a library's exception may hold anything. Such a message is not repeated, least of all to a chat.
"""

from __future__ import annotations

import re

from components.schema.columns import encounter_schema

_WITHOUT_ENCOUNTERS = frozenset({"register", "deploy", "verify", "promote"})
_WITHOUT_VALUES = frozenset({"bundle", "verification", "conflict", "registry", "store"})
_EXCEPTION = re.compile(r"([A-Za-z_.]*(?:Error|Exception|Exit|Interrupt))\b")


def discreet(step: str, kind: str, message: str) -> str:
    """Return a message that quotes no encounter: the step's own where that is sure.

    Args:
        step: that failed.
        kind: of the error, as its event names it.
        message: the step's own.
    """
    if step in _WITHOUT_ENCOUNTERS or kind in _WITHOUT_VALUES:
        return message
    error = _EXCEPTION.match(message)
    what = error.group(1) if error else "bad input" if kind == "input" else "an error"
    columns = [name for name in encounter_schema().names if _names(message, name)]
    about = f" that names {', '.join(columns)}" if columns else ""
    return f"{what}{about}; the step's log says more, which may quote values"


def _names(message: str, column: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(column)}(?![\w-])", message) is not None
