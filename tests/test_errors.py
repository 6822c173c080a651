"""What an error of a library comes from, in a few words."""

from __future__ import annotations

import socket
import ssl
from itertools import pairwise

import pytest

from components.errors import root_cause


def raised(*chain: Exception) -> Exception:
    """Return the last of some errors, each raised while the one before it was handled."""
    for earlier, later in pairwise(chain):
        later.__context__ = earlier
    return chain[-1]


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (OSError(28, "No space left on device", "/tmp/x"), "no space left on device"),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (ssl.SSLError(1, "[SSL] wrong version number"), "[ssl] wrong version number"),
        (TimeoutError("timed out"), "timed out"),
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_root_is_named(root: Exception, words: str) -> None:
    assert root_cause(raised(root, RuntimeError("wrapped"), KeyError("again"))) == words


def test_a_cause_goes_before_what_was_handled() -> None:
    error = raised(ValueError("handled"), RuntimeError("wrapped"))
    error.__cause__ = KeyError("cause")
    assert root_cause(error) == "'cause'"


def test_what_was_handled_before_the_call_is_no_cause() -> None:
    before = ValueError("before")
    assert root_cause(raised(before, RuntimeError("inside"), KeyError("out")), before) == "inside"
