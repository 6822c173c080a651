"""What is predicted."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.errors import InputError

LABEL = "readmitted"


class Target(StrEnum):
    """Which readmissions count as positive."""

    ANY = "any"
    WITHIN_30_DAYS = "within_30_days"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target from a pipeline parameter.

        Raises:
            InputError: it is neither ``any`` nor ``within_30_days``.
        """
        try:
            return cls(text)
        except ValueError:
            known = ", ".join(cls)
            raise InputError(f"target {text!r} is unknown; choose one of {known}") from None

    def labels(self, table: pa.Table) -> NDArray[np.int8]:
        """Return 1 for each positive encounter of the table, else 0; shape ``(rows,)``."""
        positive = {"<30", ">30"} if self is Target.ANY else {"<30"}
        return np.array([value in positive for value in table[LABEL].to_pylist()], dtype=np.int8)
