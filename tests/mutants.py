"""Requests that are valid but for some faults, drawn from a seed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

SECRET = "SECRETVALUE"
SECRET_NUMBER = 7_654_321_987_654_321
"""Stand in requests where a patient's values do; no log line may hold them."""

_RAW = (
    "1e999", "-1e999", "-0", "-0.0", "1e2", "01", "+1", "1.", "-", "0x10", "1_000", "nan", "tru",
    "'single'", '"\\x41"', '"\\ud800"', '"\\udc00\\ud800"', f'"{SECRET}\n"', '"unended', "9" * 5000,
    "[" * 900 + "]" * 900, "[" * 5000 + "]" * 5000, '{"a":' * 3000 + "1" + "}" * 3000, "",
    "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1E-400", "\ufeff1",
)  # fmt: skip
"""JSON, or nearly, that ``json.dumps`` never writes."""

_ODD: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 2, -0.0, 2.0, 1.5, 1e308, 5e-324, float("nan"), float("inf"),
    2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, SECRET_NUMBER, float(SECRET_NUMBER),
    "", "?", "None", "null", "No", "Up", "Male", "250", "250.83", "250\n", " 250", "٣", "V", "2.0",
    SECRET, SECRET * 7, SECRET * 8, SECRET * 3000, f"{SECRET}\x00\x07\x1b[31m\r\n", "\ud800",
    "\udfff" + SECRET, "🏥" * 80, "🏥" * 81, "\u202e", "%s%n{}", "a" * 80, "a" * 81, "true",
    [], {}, [SECRET], [[SECRET]], [2], ["No"], {SECRET: SECRET}, {"": None}, [None, True],
)  # fmt: skip

_TOKEN = re.compile(r'"@(\d+)@"')
_TWIN = "~twin"


class Mutator:
    """Draws faults; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def chance(self, share: float) -> bool:
        return self.draw.random() < share

    def odd(self) -> object:
        """Return a value that seldom belongs where it is put."""
        if self.chance(0.2):
            return f"@{self.draw.randrange(len(_RAW))}@"
        if self.chance(0.1):
            return "".join(
                chr(self.draw.randrange(1, 0x3000)) for _ in range(self.draw.randrange(90))
            )
        return self.draw.choice(_ODD)

    def fields(self, sent: dict[str, Any], names: Sequence[str], most: int = 3) -> dict[str, Any]:
        """Return an object with one to ``most`` fields dropped, doubled, renamed or replaced."""
        changed = dict(sent)
        for _ in range(self.draw.randint(1, most)):
            self.draw.choice(_FIELD_FAULTS)(self, changed, self.draw.choice([*changed, *names]))
        if self.chance(0.1):
            changed = dict(self.draw.sample([*changed.items()], len(changed)))
        return changed

    def text(self, body: object) -> bytes:
        """Return a body's JSON, raw tokens and doubled keys in it."""
        text = json.dumps(body, ensure_ascii=self.chance(0.8))
        text = _TOKEN.sub(lambda found: _RAW[int(found[1])], text).replace(_TWIN, "")
        return text.encode("utf-8", "surrogatepass")

    def damaged(self, body: bytes) -> bytes:
        """Return a body with its bytes damaged."""
        return self.draw.choice(_BYTE_FAULTS)(self, body)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return no, odd or superfluous headers beside the content type's."""
        kinds = [
            ("content-type", kind) for kind in self.draw.sample(_KINDS, self.draw.randint(0, 2))
        ]
        others = self.draw.sample(_HEADERS, self.draw.randint(0, 3))
        if self.chance(0.05):
            others = [("connection", "Upgrade"), ("upgrade", self.draw.choice(_PROTOCOLS))]
        return tuple(self.draw.sample([*kinds, *others], len(kinds) + len(others)))

    def noise(self, most: int) -> bytes:
        return self.draw.randbytes(self.draw.randrange(most))


_Fault = Callable[[Mutator, dict[str, Any], str], None]


def _drop(by: Mutator, fields: dict[str, Any], name: str) -> None:
    fields.pop(name, None)


def _replace(by: Mutator, fields: dict[str, Any], name: str) -> None:
    fields[name] = by.odd()


def _double(by: Mutator, fields: dict[str, Any], name: str) -> None:
    fields[name + _TWIN] = fields.get(name) if by.chance(0.5) else by.odd()


def _rename(by: Mutator, fields: dict[str, Any], name: str) -> None:
    odd = [name.upper(), f" {name}", name.replace("-", "_"), name + "\x00", "", SECRET, name[:-1]]
    fields[by.draw.choice(odd)] = fields.pop(name, None)


def _swap(by: Mutator, fields: dict[str, Any], name: str) -> None:
    other = by.draw.choice([*fields, name])
    fields[name], fields[other] = fields.get(other), fields.get(name)


def _widen(by: Mutator, fields: dict[str, Any], name: str) -> None:
    """Write an integer as the float or the text that looks the same."""
    value = fields.get(name)
    if isinstance(value, int) and abs(value) < 2**60:
        fields[name] = by.draw.choice([float(value), str(value), value + 0.5, value * 10**9])


_FIELD_FAULTS: tuple[_Fault, ...] = (_drop, _replace, _replace, _double, _rename, _swap, _widen)

_BYTE_FAULTS: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    lambda by, body: body[: by.draw.randrange(len(body) + 1)],
    lambda by, body: body[by.draw.randrange(len(body) + 1) :],
    lambda by, body: by.noise(400),
    lambda by, body: b"\xef\xbb\xbf" + body,
    lambda by, body: body.decode("utf-8", "replace").encode("utf-16"),
    lambda by, body: body + by.draw.choice([b"{}", b"\x00", b" ", b"]", body]),
    lambda by, body: _flipped(by, body),
    lambda by, body: _flipped(by, body),
    lambda by, body: by.draw.choice([b"", b" ", b"null", b"[]", b"{}", b"true", b"0", b'""']),
)


def _flipped(by: Mutator, body: bytes) -> bytes:
    damaged = bytearray(body or b"{}")
    for _ in range(by.draw.randint(1, 3)):
        damaged[by.draw.randrange(len(damaged))] = by.draw.randrange(256)
    return bytes(damaged)


_KINDS = (
    "application/json", "application/json; charset=utf-8", "application/json;charset=utf-16",
    "APPLICATION/JSON", "text/plain", "text/xml", "", ";", "application/octet-stream", "json",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data",
    "application/cloudevents+json", "application/vnd.api+json", "\xff\xfe", "*/*", "a" * 2000,
)  # fmt: skip
_PROTOCOLS = ("h2c", "websocket")
_HEADERS = (
    ("inference-header-content-length", "2"), ("inference-header-content-length", "-1"),
    ("inference-header-content-length", "x"), ("inference-header-content-length", "9" * 5000),
    ("inference-header-content-length", ""), ("inference-header-content-length", "1e3"),
    ("content-encoding", "gzip"), ("content-encoding", "br"), ("accept", "text/html"),
    ("accept", "application/octet-stream"), ("accept-charset", "utf-16"), ("expect", "x"),
    ("ce-id", "1"), ("ce-specversion", "1.0"), ("ce-source", "x"), ("ce-type", "y"),
    ("x-request-id", "\xe4 b"), ("x-request-id", "a" * 3000), ("x-request-id", "a"),
    ("x-request-id", ""), ("origin", "null"), ("range", "bytes=0-1"), ("if-match", "*"),
    ("host", "other"), ("connection", "close"), ("x-forwarded-for", "\xff"), ("cookie", SECRET),
    ("authorization", f"Basic {SECRET}"), ("x-http-method-override", "DELETE"), ("te", "trailers"),
)  # fmt: skip
