"""Hold every value and every encounter to the schema: refuse the file, or set the row aside.

The schema is checked on Arrow dictionaries, each distinct value of a batch once. pandera was
considered: it checks pandas or polars frames column by column, needs the frame in memory, and its
reports name rows by index but cannot count distinct offending values over the batches of a stream.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import InputError
from components.ingest.violations import Coded, Mask, Violations
from components.schema import MISSING, Column, Kind, Level, Rule, Schema

ROW, RULES = "row", "rules"
"""Columns that stand before the encounter's own where it was set aside: its number in the file,
counted from 1, and the rules that it broke."""

_INTEGER = re.compile(r"-?[0-9]{1,16}")
_IDENTIFIER = "^[1-9][0-9]{0,14}$"


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after its check.

    ``good`` holds typed rows, ``aside`` the text of those that broke a rule.
    """

    good: pa.RecordBatch
    aside: pa.RecordBatch


@dataclass
class Validator:
    """Checks a file's batches in turn, and counts what it finds.

    Attributes:
        schema: the schema to hold them to.
        rows: seen so far.
        set_aside: rows of them that broke a rule.
        refused: findings that refuse the file.
        aside: findings that set rows aside.
        missing: missing values by column.
        unlisted: values of open columns that the schema does not list, counted by column.
    """

    schema: Schema
    rows: int = 0
    set_aside: int = 0
    refused: Violations = field(default_factory=Violations)
    aside: Violations = field(default_factory=Violations)
    missing: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)

    def check(self, batch: pa.RecordBatch) -> Checked | None:
        """Check one batch; ``None`` once the file is refused, when the rest is only counted."""
        coded = {c.name: Coded.of(batch[c.name]) for c in self.schema if not _sound(c, batch)}
        broken: dict[str, Mask] = {}
        for column in self.schema:
            if column.name in coded:
                self._check_column(column, coded[column.name], broken)
        for rule in self.schema.rules:
            self._check_rule(rule, coded, broken)
        offset, self.rows = self.rows, self.rows + batch.num_rows
        if self.refused:
            return None
        return self._parted(batch, coded, broken, offset)

    def conclude(self, where: str, most: float) -> None:
        """Refuse a file that is empty, breaks the schema, or has too many rows set aside.

        Args:
            where: the file's name, for the message.
            most: largest share of rows that may be set aside.

        Raises:
            InputError: the file is refused; says which values of which columns, and where.
        """
        if self.rows == 0:
            raise InputError(f"{where}: holds a header and no rows")
        if self.refused:
            first = next(iter(self.refused))
            raise InputError(f"{where}: {self.refused}; {first.rule}")
        if self.set_aside > most * self.rows:
            first = next(iter(self.aside))
            raise InputError(
                f"{where}: {self.aside}; {first.rule}; {self.set_aside:,} of {self.rows:,} rows "
                f"would be set aside, more than {most:.2%} (data_max_quarantine)"
            )

    def _check_column(self, column: Column, coded: Coded, broken: dict[str, Mask]) -> None:
        levels = [_verdict(column, value) for value in coded.values]
        for level, found in ((Level.ERROR, self.refused), (Level.QUARANTINE, self.aside)):
            rows = coded.spread([given is level for given in levels])
            if level in levels and rows.any():
                rule = f"{column.name} takes {column.expected()}"
                found.add(column.name, rule, rows, self.rows, coded)
                broken[rule] = rows
        if column.missing:
            self.missing[column.name] += _total(coded, [v == MISSING for v in coded.values])
        if column.open:
            known = {*column.values, MISSING}
            self.unlisted[column.name] += _total(coded, [v not in known for v in coded.values])

    def _check_rule(self, rule: Rule, coded: dict[str, Coded], broken: dict[str, Mask]) -> None:
        rows = _breaks(rule, coded)
        if rows.any():
            self.aside.add(rule.name, f"the rule is {rule.name!r}", rows, self.rows, None)
            broken[rule.name] = rows

    def _parted(
        self, batch: pa.RecordBatch, coded: dict[str, Coded], broken: dict[str, Mask], offset: int
    ) -> Checked:
        aside = np.zeros(batch.num_rows, dtype=np.bool_)
        for rows in broken.values():
            aside |= rows
        good = typed(batch, coded, self.schema)
        if not aside.any():
            return Checked(good, set_aside(batch, {}, aside, offset))
        self.set_aside += int(aside.sum())
        return Checked(good.filter(pa.array(~aside)), set_aside(batch, broken, aside, offset))


def set_aside(
    batch: pa.RecordBatch, broken: dict[str, Mask], rows: Mask, offset: int
) -> pa.RecordBatch:
    """Return the text of some of the rows, their numbers, and the rules that they broke."""
    index = np.flatnonzero(rows)
    reasons = ["; ".join(rule for rule, mask in broken.items() if mask[i]) for i in index]
    taken = batch.take(pa.array(index))
    columns = [taken[name].cast(pa.string()) for name in batch.schema.names]
    numbers = pa.array(index + offset + 1, pa.int64())
    return pa.record_batch(
        [numbers, pa.array(reasons, pa.string()), *columns],
        names=[ROW, RULES, *batch.schema.names],
    )


def typed(batch: pa.RecordBatch, coded: dict[str, Coded], schema: Schema) -> pa.RecordBatch:
    """Return a checked batch as int64 and dictionary-encoded text; 0 for what is no integer."""
    columns = []
    for column in schema:
        if column.name not in coded:
            columns.append(batch[column.name].cast(pa.int64()))
        elif column.is_integer:
            numbers = [int(v) if _INTEGER.fullmatch(v) else 0 for v in coded[column.name].values]
            columns.append(pa.array(np.array(numbers, np.int64)[coded[column.name].codes]))
        else:
            columns.append(batch[column.name])
    return pa.record_batch(columns, schema=arrow_schema(schema))


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of typed encounters."""
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([(c.name, pa.int64() if c.is_integer else text) for c in schema])


def _sound(column: Column, batch: pa.RecordBatch) -> bool:
    """Say so fast for the columns whose values are all distinct."""
    if column.kind is not Kind.IDENTIFIER:
        return False
    matches = pc.match_substring_regex(batch[column.name], _IDENTIFIER)
    return bool(pc.all(matches).as_py())


def _verdict(column: Column, text: str) -> Level | None:
    """Return what a value does; ``None`` for one that may stand in the column."""
    if not column.is_integer:
        return None if column.accepts(text) else column.level
    if _INTEGER.fullmatch(text) is None:
        return Level.ERROR
    return None if column.accepts(int(text)) else column.level


def _total(coded: Coded, counted: list[bool]) -> int:
    return int(coded.spread(counted).sum()) if any(counted) else 0


def _breaks(rule: Rule, coded: dict[str, Coded]) -> Mask:
    first = coded[rule.columns[0]]
    applies = np.ones(first.codes.size, dtype=np.bool_)
    for name, values in rule.condition.items():
        wanted = {str(value) for value in values}
        applies &= coded[name].spread([value in wanted for value in coded[name].values])
    allowed = {str(value) for value in rule.values}
    kept = np.ones(first.codes.size, dtype=np.bool_)
    for name in rule.columns:
        column = coded[name]
        if not allowed.issuperset(column.values):
            kept &= column.spread([value in allowed for value in column.values])
    return applies & ~kept
