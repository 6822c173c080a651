"""A model server with a fault: ``python faulty_server.py FAULT --bundle DIR --version V ...``.

It is the true server, of which one thing is changed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

WRONG_BY = 0.01
CRASHES_AFTER = 230
"""Requests: verification's all, and some of those that the canary gets with its first share."""


def main() -> int:
    """Change what the fault says, then serve."""
    fault, arguments = sys.argv[1], sys.argv[2:]
    if fault == "crashes at its start":
        sys.stderr.write("a fault at its start\n")
        return 3
    if fault == "answers as another version":
        arguments[arguments.index("--version") + 1] = "999"
    elif fault != "none":
        _change(fault)
    from serving.__main__ import main as serve

    sys.argv = ["serving", *arguments]
    return serve(arguments)


def _change(fault: str) -> None:
    from serving.endpoints import Endpoints

    true, count = Endpoints.predict, [0]

    async def predict(self: Endpoints, body: bytes, headers: Any) -> bytes:
        count[0] += 1
        if fault == "hangs":
            await asyncio.sleep(3600)
        if fault == "crashes under traffic" and count[0] > CRASHES_AFTER:
            os._exit(3)
        if fault == "fails under traffic" and count[0] > CRASHES_AFTER:
            raise RuntimeError("a fault under traffic")
        if fault == "is slow":
            await asyncio.sleep(0.2)
        answer = await true(self, body, headers)
        return _wrong(answer) if fault == "answers wrong numbers" else answer

    Endpoints.predict = predict  # type: ignore[method-assign]


def _wrong(answer: bytes) -> bytes:
    import orjson

    said = orjson.loads(answer)
    for row in said["predictions"]:
        row["probability"] += WRONG_BY
    return orjson.dumps(said)


if __name__ == "__main__":
    sys.exit(main())
