"""Changed copies of tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.schema import encounter_schema


def replaced(table: pa.Table, column: str, values: Sequence[object]) -> pa.Table:
    """Put other values into a column."""
    made = pa.array(values, table[column].type)
    return table.set_column(table.column_names.index(column), column, made)


def shifted(table: pa.Table, column: str, share: float) -> pa.Table:
    """Give the first rows of a table the largest number, or the last level, of a column."""
    known = encounter_schema()[column]
    value = known.values[-1] if known.values else known.maximum
    first = pa.array(np.arange(table.num_rows) < share * table.num_rows)
    changed = pc.if_else(first, pa.scalar(value, table[column].type), table[column])
    return table.set_column(table.column_names.index(column), column, changed)
