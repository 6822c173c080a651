"""Serve a bundle: ``python -m serving --bundle DIR --version V``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import HealthPredictError
from serving.locate import MOUNTED, bundle_folder
from serving.logs import configure_logging, logger
from serving.selftest import SelfTest


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
    from serving.predictor import Options
    from serving.rest import Limits
    from serving.server import Address, serve

    try:
        serve(
            bundle_folder(options.bundle),
            options.version,
            Address(options.host, options.port, options.grpc_port),
            Options(options.max_batch, options.log_dir, options.log_share),
            Limits(options.max_body, options.drain_seconds, options.log_requests),
        )
    except HealthPredictError as error:
        logger.error("%s", error)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m serving", allow_abbrev=False, description=__doc__)
    add = parser.add_argument
    add("--bundle", default=MOUNTED, help="the bundle's folder, or models:/readmission/VERSION")
    add("--version", required=True, help="the registry's version of the bundle")
    add("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    add("--port", type=_port, default=8080)
    add("--grpc-port", type=_port, help="also speak gRPC, on this port")
    add("--max-batch", type=_positive, default=10_000, help="rows a request")
    add("--max-body", type=_positive, default=32 * 2**20, help="bytes a request")
    add("--drain-seconds", type=float, default=5.0, help="for connections to end after SIGTERM")
    add("--log-requests", action="store_true", help="log each request, without its content")
    add("--log-dir", type=Path, help="keep a sample of encounters and risks there, as parquet")
    add("--log-share", type=_share, default=0.1, help="share of the encounters to keep")
    add("--self-test", action=SelfTest, nargs=0, help="score a built-in bundle")
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


def _share(text: str) -> float:
    if not 0 < float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share above 0, up to 1")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
