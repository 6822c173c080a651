"""A large V1 body in pieces, so that reading it holds nobody up for long.

JSON's parser holds the interpreter for milliseconds on a megabyte. The list of instances is cut
behind ``},`` instead, and each piece parsed by itself. A cut inside a text or a nested value leaves
a piece that is no JSON; then the whole body is parsed, as if nothing had been cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

LARGE = 1 << 17
"""Bytes from which a body is cut."""
PIECE = 1 << 15
"""Least bytes of a piece: about 35 encounters."""

_HEAD = re.compile(rb'\s*\{\s*"instances"\s*:\s*\[')
_TAIL = re.compile(rb"\]\s*\}\s*\Z")


def instance_pieces(body: bytes) -> list[bytes]:
    """Return the inside of the list of instances, cut into pieces; none where that is no use."""
    head = _HEAD.match(body) if len(body) >= LARGE else None
    tail = _TAIL.search(body, body.rfind(b"]"))
    if head is None or tail is None:
        return []
    start, stop, found = head.end(), tail.start(), list[bytes]()
    while (cut := body.find(b"},", start + PIECE, stop)) >= 0:
        found.append(body[start : cut + 1])
        start = cut + 2
    return [*found, body[start:stop]]


def parsed_pieces(pieces: list[bytes]) -> Iterator[list[Any]]:
    """Yield the instances of each piece.

    Raises:
        orjson.JSONDecodeError: a piece is no list's inside.
    """
    for piece in pieces:
        yield orjson.loads(b"[%b]" % piece)
