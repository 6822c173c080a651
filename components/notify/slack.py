"""A summary as the JSON of a Slack incoming webhook, within Slack's limits.

Limits and escapes: https://docs.slack.dev/reference/block-kit/blocks and
https://docs.slack.dev/messaging/formatting-message-text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any
from urllib.parse import quote

from components.notify.summary import RunState, Summary

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
OUTCOME_LIMIT = 2000
LINE_LIMIT = 600
"""Characters of one reason, problem or link, so that one does not push the others out."""

_URL = re.compile(r"https?://[^/]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CUT = "…"
_MARKS = {
    RunState.SUCCEEDED: ":white_check_mark:",
    RunState.FAILED: ":x:",
    RunState.CANCELLED: ":no_entry_sign:",
    RunState.UNKNOWN: ":grey_question:",
}


def slack_message(summary: Summary) -> dict[str, Any]:
    """Return the body of the POST: a text for notifications, and blocks."""
    title = f"{_MARKS[summary.state]} {_plain(summary.title)}"
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, HEADER_LIMIT)}},
        *_section([summary.outcome], OUTCOME_LIMIT),
        *_section(f"• {reason}" for reason in summary.facts.reasons),
        *_section(f"not done: {problem}" for problem in summary.problems),
        *_block(_link(name, target) for name, target in summary.facts.links.items()),
    ]
    text = escaped(f"{summary.title}: {summary.outcome}", SECTION_LIMIT)
    return {"text": text, "blocks": blocks}


def escaped(text: str, limit: int) -> str:
    """Return a text in one line with mrkdwn's control characters escaped.

    Args:
        text: any text.
        limit: most characters of the escaped text; an escape is never cut in two.
    """
    pieces = [_ESCAPES.get(letter, letter) for letter in _plain(text)[: limit + 1]]
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    lengths = accumulate(map(len, pieces))
    fitting = sum(1 for length in lengths if length <= limit - len(_CUT))
    return "".join(pieces[:fitting]) + _CUT


def _plain(text: str) -> str:
    """Return a text in one line: no controls, no halves of characters, nothing that turns it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT


def _section(lines: Iterable[str], limit: int = LINE_LIMIT) -> list[dict[str, Any]]:
    return _block(escaped(line, limit) for line in lines)


def _block(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Return a section of escaped lines, as many as there is room for; none for no lines."""
    text = ""
    for line in filter(None, lines):
        longer = f"{text}\n{line}" if text else line
        if len(longer) > SECTION_LIMIT - len("\n" + _CUT):
            text += f"\n{_CUT}"
            break
        text = longer
    if not text:
        return []
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}]


def _link(name: str, target: str) -> str:
    """Return a link; a path, or a URL that is too long for a line, as text."""
    url = quote(_plain(target), safe="%/:?#[]@!$'()*+,;=&").replace("&", "&amp;")
    label = escaped(name, HEADER_LIMIT)
    if label and _URL.match(url) and len(url) <= LINE_LIMIT - HEADER_LIMIT:
        return f"<{url}|{label}>"
    return escaped(f"{name}: {target}", LINE_LIMIT)
