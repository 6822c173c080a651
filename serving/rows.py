"""One encounter as it was sent, checked against the schema and made complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

from components.schema import MISSING, Column, Kind, Schema
from serving.errors import Problems, json_type

Row = dict[str, int | str]
_ABSENT: Final = object()
_SEE_METADATA = "the inputs that the model's metadata lists"


class RowReader:
    """Reads encounters of one schema: features and, when sent, identifiers.

    A name with a hyphen may be written with an underscore. The label is no field: whoever knows it
    needs no prediction.
    """

    def __init__(self, schema: Schema) -> None:
        self.features = schema.features
        self._identifiers = tuple(c for c in schema if c.kind is Kind.IDENTIFIER)
        self._fields: dict[str, Column] = {}
        for column in (*self.features, *self._identifiers):
            self._fields[column.name] = column
            self._fields[column.name.replace("-", "_")] = column

    def column(self, name: str) -> Column | None:
        """Return the column that a sent name means, or ``None`` when it means none."""
        return self._fields.get(name)

    def canonical(
        self, row: int | None, sent: Mapping[str, object], problems: Problems
    ) -> dict[str, object]:
        """Return the sent values by raw column name; unknown and doubled names are problems."""
        values: dict[str, object] = {}
        for name, value in sent.items():
            column = self.column(name)
            if column is None:
                problems.add(row, name, value, "unknown field", _SEE_METADATA)
            elif column.name in values:
                problems.add(row, name, value, f"sent twice, also as {column.name}")
            else:
                values[column.name] = value
        return values

    def row(
        self,
        index: int,
        values: Mapping[str, object],
        problems: Problems,
        features: Iterable[Column] | None = None,
    ) -> Row:
        """Return one encounter with a valid value in every feature column.

        Args:
            index: the row's number, for the problems.
            values: the sent values by raw column name.
            problems: takes what is wrong; the row is then incomplete.
            features: the columns to read, all of them by default.
        """
        read: Row = {}
        for column in self.features if features is None else features:
            value = values.get(column.name, _ABSENT)
            if column.accepts(value):
                read[column.name] = cast("int | str", value)
            elif (value is None or value is _ABSENT) and column.missing:
                read[column.name] = MISSING
            elif (value is None or value is _ABSENT) and column.default is not None:
                read[column.name] = column.default
            elif (why := refusal(column, value)) is None:
                read[column.name] = _plain(value)
            else:
                sent = None if value is _ABSENT else value
                problems.add(index, column.name, sent, why, allowed(column))
        return read

    def identifiers(
        self, index: int, values: Mapping[str, object], problems: Problems
    ) -> dict[str, int]:
        """Return the identifiers that were sent; they are handed back and otherwise ignored."""
        read: dict[str, int] = {}
        for column in self._identifiers:
            value = values.get(column.name)
            if value is None:
                continue
            why = refusal(column, value)
            if why is None:
                read[column.name] = int(_plain(value))
            else:
                problems.add(index, column.name, value, why, allowed(column))
        return read


def refusal(column: Column, value: object) -> str | None:
    """Say why a sent value may not stand in a column; ``None`` when it may."""
    if value is _ABSENT:
        return "absent"
    if column.is_integer and not _is_integral(value):
        return f"{json_type(value)} where an integer is expected"
    if not column.is_integer and not isinstance(value, str):
        return f"{json_type(value)} where a text is expected"
    return None if column.accepts(_plain(value)) else "not allowed in this column"


def allowed(column: Column) -> str:
    """Say in words what may be sent for a column."""
    return column.expected() + (", or null when missing" if may_lack(column) else "")


def may_lack(column: Column) -> bool:
    """Say whether a value may be null or absent."""
    return column.missing or column.default is not None


def _is_integral(value: object) -> bool:
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def _plain(value: object) -> int | str:
    """Return an integral number as ``int`` and a text as itself."""
    return int(value) if isinstance(value, float) else cast("int | str", value)
