"""Hold every value to the schema, and say which were refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import InputError
from components.schema import Column, Kind, Schema

_INTEGER = re.compile(r"-?[0-9]{1,16}")
_SHOWN_VALUES = 3
_SHOWN_COLUMNS = 3
_COUNTED_VALUES = 1000


@dataclass
class Violations:
    """The refused values of a file, by column, with the first row of each column's."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    first_row: dict[str, int] = field(default_factory=dict)

    def add(self, column: str, values: Counter[str], row: int) -> None:
        """Count refused values; only the first thousand distinct ones are kept apart."""
        seen = self.counts.setdefault(column, Counter())
        self.first_row.setdefault(column, row)
        for value, count in values.items():
            kept = value if value in seen or len(seen) < _COUNTED_VALUES else "(others)"
            seen[kept] += count

    def __str__(self) -> str:
        columns = list(self.counts)
        parts = [self._describe(column) for column in columns[:_SHOWN_COLUMNS]]
        more = len(columns) - _SHOWN_COLUMNS
        return "; ".join(parts) + (f"; and {more} more columns" if more > 0 else "")

    def _describe(self, column: str) -> str:
        values = self.counts[column]
        shown = ", ".join(f"{v[:40]!r} ({n}x)" for v, n in list(values.items())[:_SHOWN_VALUES])
        more = len(values) - _SHOWN_VALUES
        tail = f" and {more} more" if more > 0 else ""
        return (
            f"column {column!r}: {values.total()} values refused, first in row "
            f"{self.first_row[column]}: {shown}{tail}"
        )


def validate(batches: Iterable[pa.RecordBatch], schema: Schema, where: str) -> pa.Table:
    """Check every value of a file and return it typed: int64 and dictionary-encoded text.

    Args:
        batches: text columns in the schema's order, at least one row in all.
        schema: the schema to hold them to.
        where: the file's name, for messages.

    Raises:
        InputError: no rows, a value outside its column's domain, or an encounter_id twice.
    """
    violations, typed, rows = Violations(), [], 0
    for batch in batches:
        _check(batch, schema, violations, rows)
        rows += batch.num_rows
        if not violations.counts:
            typed.append(_typed(batch, schema))
    if rows == 0:
        raise InputError(f"{where}: holds a header and no rows")
    if violations.counts:
        column = schema[next(iter(violations.counts))]
        raise InputError(f"{where}: {violations}; {column.name} takes {column.expected()}")
    table = pa.Table.from_batches(typed).unify_dictionaries()
    _check_unique(table, where)
    return table


def unknown_values(table: pa.Table, schema: Schema) -> dict[str, int]:
    """Count, by open column, the rows whose value the schema does not list."""
    found = {}
    for column in (c for c in schema if c.open):
        known = pa.array([*column.values, "?"], pa.string())
        is_known = pc.is_in(table[column.name].cast(pa.string()), known)
        found[column.name] = int(pc.sum(pc.invert(is_known)).as_py())
    return found


def _check(batch: pa.RecordBatch, schema: Schema, found: Violations, offset: int) -> None:
    for column in schema:
        values = batch[column.name]
        if column.kind is Kind.IDENTIFIER and _all_identifiers(values):
            continue
        counted = values.value_counts()
        refused = Counter(
            {
                e["values"]: e["counts"]
                for e in counted.to_pylist()
                if not _accepted(column, e["values"])
            }
        )
        if refused:
            first = next(i for i, v in enumerate(values.to_pylist()) if v in refused)
            found.add(column.name, refused, offset + first + 1)


def _all_identifiers(values: pa.Array) -> bool:
    """Say so fast for the columns whose values are all distinct."""
    return bool(pc.all(pc.match_substring_regex(values, "^[1-9][0-9]{0,14}$")).as_py())


def _accepted(column: Column, text: str) -> bool:
    if not column.is_integer:
        return column.accepts(text)
    return _INTEGER.fullmatch(text) is not None and column.accepts(int(text))


def _typed(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    columns = [
        batch[c.name].cast(pa.int64()) if c.is_integer else batch[c.name].dictionary_encode()
        for c in schema
    ]
    return pa.record_batch(columns, names=schema.names)


def _check_unique(table: pa.Table, where: str) -> None:
    ids, counts = np.unique(table["encounter_id"].to_numpy(), return_counts=True)
    repeated = ids[counts > 1]
    if repeated.size:
        shown = ", ".join(str(value) for value in repeated[:_SHOWN_VALUES])
        raise InputError(
            f"{where}: column 'encounter_id': {repeated.size} values stand twice: {shown}"
        )
