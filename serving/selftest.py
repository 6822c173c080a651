"""``python -m serving --self-test``: score a bundle that ships with the code, and say how exactly.

An image runs it when it is built, so that libraries which do not reproduce the numbers that the
training environment gave never reach a cluster. The bundle is synthetic and small: one block of
each kind that the encoder knows. After a change of the bundle's format it is made anew by
``PYTHONPATH=tests .venv/bin/python tests/serving/selftest_bundle.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.errors import BundleError, HealthPredictError
from components.registry.bundle import TOLERANCE

BUNDLE = Path(__file__).with_name("selftest_bundle")
_LIBRARIES = ("kserve", "numpy", "onnxruntime")


class SelfTest(argparse.Action):
    """An option that answers and ends the process, as ``--help`` does, whatever else is missing."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print what :func:`self_test` found, or end with the exit code of its error."""
        try:
            print(self_test())
        except HealthPredictError as error:
            parser.exit(error.exit_code, f"self-test: {error}\n")
        parser.exit()


def self_test(directory: Path = BUNDLE) -> str:
    """Score a bundle's golden rows as a server would, and return a line that says how exactly.

    Raises:
        BundleError: these libraries do not reproduce the bundle's numbers.
    """
    import_module("serving.server")  # whatever a server needs is there
    # Here, not above: kserve is slow to import, and no other option of the process waits for it.
    from serving.predictor import ReadmissionPredictor

    model = ReadmissionPredictor(directory, "self-test")
    model.load()
    golden = model.bundle.golden
    answer = model.predict({"instances": list(golden.rows)})
    difference = _largest_difference(answer, golden.probabilities)
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"self-test: {len(golden.rows)} golden rows, largest difference {difference:.0e}; "
        f"{libraries}"
    )


def _largest_difference(answer: Any, expected: Sequence[float]) -> float:
    scored: list[float] = [prediction["probability"] for prediction in answer["predictions"]]
    difference = max(abs(a - b) for a, b in zip(scored, expected, strict=True))
    if not difference <= TOLERANCE:
        raise BundleError(f"the server's answer differs from the bundle by {difference:.2e}")
    return difference
