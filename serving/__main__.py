"""Serve a bundle: ``python -m serving --bundle DIR --version V``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import HealthPredictError
from serving.logs import configure_logging, logger
from serving.payload import MAX_BATCH


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        0 after a graceful stop, 1 when the bundle is bad, 2 when the port or an option is.
    """
    options = _parser().parse_args(arguments)
    configure_logging()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    # Here, not above: kserve reads the process's arguments when it is imported, ours go first.
    from serving.server import serve

    try:
        serve(options.bundle, options.version, options.host, options.port, options.max_batch)
    except HealthPredictError as error:
        logger.error("%s", error)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m serving", allow_abbrev=False, description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--version", required=True, help="the registry's version of the bundle")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    parser.add_argument("--port", type=_port, default=8080)
    parser.add_argument("--max-batch", type=_positive, default=MAX_BATCH, help="rows a request")
    return parser


def _stop(number: int, frame: object) -> None:
    """End the process; while it serves, uvicorn finishes the running requests before this."""
    sys.exit(0)


def _port(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return int(text)


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
