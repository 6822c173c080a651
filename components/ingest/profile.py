"""Count the values of each column over the pieces of a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from components.schema import Kind, Schema

_DISTINCT = 10_000
"""Most values of a column that are counted apart: an open column's text may be anything."""

Value = str | int


@dataclass
class Profile:
    """How often each value stands in each column.

    Attributes:
        schema: its feature columns are counted, and the label.
        rows: counted so far.
        counts: by column.
    """

    schema: Schema
    rows: int = 0
    counts: dict[str, Counter[Value]] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Count a piece."""
        self.rows += table.num_rows
        for column in self.schema:
            if column.kind is not Kind.IDENTIFIER:
                self._add(column.name, table[column.name])

    def _add(self, name: str, values: pa.ChunkedArray) -> None:
        seen = self.counts.setdefault(name, Counter())
        for entry in values.value_counts().to_pylist():
            value = entry["values"]
            apart = value in seen or len(seen) < _DISTINCT
            seen[value if apart else "(others)"] += entry["counts"]

    def share(self, name: str, value: Value) -> float:
        """Return the share of rows that hold ``value``; 0 for a table without rows."""
        return self.counts[name][value] / self.rows if self.rows else 0.0
