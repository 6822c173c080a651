"""Count what was refused: by column or rule, with the offending values and the first row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SHOWN_VALUES = 3
_SHOWN_FINDINGS = 3
_COUNTED_VALUES = 1000

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Coded:
    """A text column as its distinct values and, for each row, the index of its value."""

    values: list[str]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, column: pa.Array) -> Coded:
        """Read an Arrow column of text, dictionary-encoded or not."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        return cls(column.dictionary.to_pylist(), column.indices.to_numpy(zero_copy_only=False))

    def spread(self, table: list[bool]) -> Mask:
        """Return for each row what ``table`` says of its value."""
        return np.array(table, dtype=np.bool_)[self.codes]

    def counts(self, rows: Mask) -> Counter[str]:
        """Count the values in some of the rows."""
        found = np.bincount(self.codes[rows], minlength=len(self.values))
        return Counter({self.values[i]: int(found[i]) for i in np.flatnonzero(found)})


@dataclass(slots=True)
class Finding:
    """What one column or rule refused.

    ``values`` are a column's offending values; empty for a rule across columns.
    """

    name: str
    rule: str
    first_row: int
    rows: int = 0
    values: Counter[str] = field(default_factory=Counter)

    def add(self, rows: int, values: Counter[str]) -> None:
        """Count more rows; only the first thousand distinct values are kept apart."""
        self.rows += rows
        for value, count in values.items():
            apart = value in self.values or len(self.values) < _COUNTED_VALUES
            self.values[value if apart else "(others)"] += count

    def __str__(self) -> str:
        if not self.values:
            return f"rule {self.name!r}: broken by {self.rows} rows, first by row {self.first_row}"
        shown = ", ".join(
            f"{v[:40]!r} ({n}x)" for v, n in list(self.values.items())[:_SHOWN_VALUES]
        )
        more = len(self.values) - _SHOWN_VALUES
        tail = f" and {more} more" if more > 0 else ""
        return (
            f"column {self.name!r}: {self.rows} values refused, first in row "
            f"{self.first_row}: {shown}{tail}"
        )


@dataclass(slots=True)
class Violations:
    """All findings of one level, in the order in which they were met."""

    findings: dict[str, Finding] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings.values())

    def add(self, name: str, rule: str, rows: Mask, offset: int, column: Coded | None) -> None:
        """Count the rows of a batch that broke a rule.

        Args:
            name: of the column or rule.
            rule: what it asks for.
            rows: which rows of the batch broke it; at least one.
            offset: rows before the batch.
            column: holds the offending values; ``None`` for a rule across columns.
        """
        found = self.findings.setdefault(name, Finding(name, rule, offset + int(rows.argmax()) + 1))
        found.add(int(rows.sum()), column.counts(rows) if column else Counter())

    def __str__(self) -> str:
        found = list(self)
        more = len(found) - _SHOWN_FINDINGS
        tail = f"; and {more} more columns" if more > 0 else ""
        return "; ".join(str(f) for f in found[:_SHOWN_FINDINGS]) + tail
