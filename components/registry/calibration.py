"""The map from a model's probability to a calibrated risk, as the bundle carries it.

It is applied in float64 with NumPy alone, element by element, so that one row and a batch of rows
get the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]

_EDGE = 1e-7
"""Where logits are cut: about the step of float32 below 1."""


class CalibrationKind(StrEnum):
    """How probabilities are mapped."""

    IDENTITY = "identity"
    PLATT = "platt"
    ISOTONIC = "isotonic"


@dataclass(frozen=True)
class Calibration:
    """A monotone map of probabilities.

    Attributes:
        kind: which map.
        slope: of Platt's line in logits (Platt 1999, "Probabilistic Outputs for Support Vector
            Machines"); positive.
        intercept: of the same line.
        x: knots of the isotonic map (Zadrozny and Elkan 2002, doi 10.1145/775047.775151), rising.
        y: risks at the knots, never falling; straight lines between.
    """

    kind: CalibrationKind = CalibrationKind.IDENTITY
    slope: float = 1.0
    intercept: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind is CalibrationKind.PLATT and not self.slope > 0:
            raise ValueError("calibration: the slope is not positive")
        if self.kind is CalibrationKind.ISOTONIC:
            _check_knots(np.array(self.x), np.array(self.y))

    def apply(self, probabilities: Probabilities) -> Probabilities:
        """Return the calibrated risks; shape ``(rows,)`` as given."""
        if self.kind is CalibrationKind.PLATT:
            inside = np.clip(probabilities, _EDGE, 1 - _EDGE)
            line = self.slope * np.log(inside / (1 - inside)) + self.intercept
            return np.asarray(1 / (1 + np.exp(-line)), dtype=np.float64)
        if self.kind is CalibrationKind.ISOTONIC:
            return np.asarray(np.interp(probabilities, self.x, self.y), dtype=np.float64)
        return probabilities

    def to_json(self) -> dict[str, Any]:
        """Return the kind and what it needs."""
        if self.kind is CalibrationKind.PLATT:
            return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}
        if self.kind is CalibrationKind.ISOTONIC:
            return {"kind": self.kind, "x": list(self.x), "y": list(self.y)}
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Calibration:
        """Read what :meth:`to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: the content is no calibration.
        """
        kind = CalibrationKind(content["kind"])
        if kind is CalibrationKind.PLATT:
            return cls(kind, float(content["slope"]), float(content["intercept"]))
        if kind is CalibrationKind.ISOTONIC:
            x, y = (tuple(float(value) for value in content[name]) for name in ("x", "y"))
            return cls(kind, x=x, y=y)
        return cls()


def _check_knots(x: Probabilities, y: Probabilities) -> None:
    rising = x.size == y.size >= 2 and bool((np.diff(x) > 0).all() and (np.diff(y) >= 0).all())
    if not (rising and y[0] >= 0 and y[-1] <= 1):
        raise ValueError("calibration: the knots do not rise within 0 and 1")
