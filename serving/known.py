"""The short way of encounters: values that were seen to be good are good, and encoded already.

Each raw value is looked up once in a table that holds its part of the encoded row; a value that is
not there yet is checked against the schema first. Whatever is unusual (a null, an alias, a value
that training never saw, a bad one) leaves the short way, and ``rows.py`` reads that encounter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from components.features.encoder import Encoder
from components.features.row import Matrix, Value, Values
from components.schema import MISSING, Column, Kind, Schema

_REMEMBERED = 8192


@dataclass(slots=True)
class Batch:
    """Encounters that passed the schema.

    Attributes:
        values: the values of the feature columns, a tuple an encounter.
        matrices: the encoded rows, in one or more pieces.
        identifiers: for each encounter, those that were sent.
        unseen: by open column, the values that training never saw.
    """

    values: list[Values] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    identifiers: list[dict[str, int]] = field(default_factory=list)
    unseen: dict[str, set[str]] = field(default_factory=dict)

    @property
    def matrix(self) -> Matrix:
        """The encoded rows; there must be some."""
        return self.matrices[0] if len(self.matrices) == 1 else np.concatenate(self.matrices)

    def extend(self, other: Batch) -> None:
        """Add the encounters of another batch."""
        self.values += other.values
        self.matrices += other.matrices
        self.identifiers += other.identifiers
        for column, found in other.unseen.items():
            self.unseen.setdefault(column, set()).update(found)


class KnownRows:
    """Reads encounters whose every value is allowed and was seen in training.

    Attributes:
        names: the feature columns, in the order of an encounter's values.
    """

    def __init__(self, schema: Schema, encoder: Encoder) -> None:
        by_row = encoder.by_row
        unread = (c.name for c in schema.features if c.name not in by_row.names)
        self.names = (*by_row.names, *unread)
        self._identifiers = tuple(c for c in schema if c.kind is Kind.IDENTIFIER)
        vectors = dict(zip(by_row.names, by_row.tables, strict=True))
        tables = [_Known(schema[n], vectors.get(n), encoder.known.get(n)) for n in self.names]
        self._encoder = by_row.through(tables, self.names)
        self._defaults = {c.name: d for c in schema.features if (d := absent_value(c)) is not None}
        self._nullable = {*self._defaults, *(column.name for column in self._identifiers)}
        self._pick = itemgetter(*self.names)
        positions = [n for n, name in enumerate(self.names) if schema[name].is_integer]
        self._integers = itemgetter(*positions)

    def find(self, sent: Any) -> Batch | None:
        """Return an encounter as it was sent; ``None`` when it is not plainly good.

        Absent and null values that have a default are plainly good, if not as quick.
        """
        try:
            return self._read(sent)
        except (KeyError, TypeError):
            with suppress(AttributeError, KeyError, TypeError):
                there = {n: v for n, v in sent.items() if v is not None or n not in self._nullable}
                return self._read(self._defaults | there)
        return None

    def find_all(self, sent: Sequence[Any]) -> Batch | None:
        """Return some encounters, at least one; ``None`` when one is not plainly good as it is."""
        with suppress(KeyError, TypeError):
            values = [*map(self._pick, sent)]
            identifiers = [*map(self._sent_identifiers, sent)]
            return Batch(values, [self._encoded([*zip(*values, strict=True)])], identifiers)
        return None

    def find_columns(self, cells: Mapping[str, Sequence[Any]]) -> Batch | None:
        """Return encounters that were sent column by column, as :meth:`find_all`."""
        sent = {c: cells[c.name] for c in self._identifiers if c.name in cells}
        plain = all(column.accepts(cell) for column, cells in sent.items() for cell in cells)
        with suppress(KeyError, TypeError):
            columns = self._pick(cells)
            if plain and len(cells) == len(self.names) + len(sent):
                values = [*zip(*columns, strict=True)]
                names = [column.name for column in sent]
                rows = zip(*sent.values(), strict=True) if sent else [()] * len(values)
                identifiers = [dict(zip(names, row, strict=True)) for row in rows]
                return Batch(values, [self._encoded(columns)], identifiers)
        return None

    def _encoded(self, columns: Sequence[Sequence[Value]]) -> Matrix:
        for column in self._integers(columns):
            _refuse_others(column)
        return self._encoder.encode_columns(columns)

    def _read(self, sent: Any) -> Batch:
        values = self._pick(sent)
        _refuse_others(self._integers(values))
        matrix = self._encoder.encode_row(values)
        return Batch([values], [matrix], [self._sent_identifiers(sent)])

    def _sent_identifiers(self, sent: Mapping[str, Any]) -> dict[str, int]:
        if len(sent) == len(self.names):
            return {}
        found = {c.name: sent[c.name] for c in self._identifiers if c.name in sent}
        plain = all(c.accepts(found[c.name]) for c in self._identifiers if c.name in found)
        if not plain or len(found) + len(self.names) != len(sent):
            raise KeyError
        return found


class _Known(dict[Value, bytes]):
    """The good values of one column; others raise ``KeyError``."""

    def __init__(
        self, column: Column, vectors: Mapping[Value, bytes] | None, known: frozenset[str] | None
    ) -> None:
        super().__init__()
        self._column, self._vectors, self._known = column, vectors, known

    def __missing__(self, value: Value) -> bytes:
        if not self._column.accepts(value) or not (self._known is None or value in self._known):
            raise KeyError
        found = b"" if self._vectors is None else self._vectors[value]
        if len(self) < _REMEMBERED:
            self[value] = found
        return found


def _refuse_others(values: Sequence[Value]) -> None:
    """Raise ``TypeError`` for what is no integer: in a table 1.0 and ``true`` are found as 1."""
    if {*map(type, values)} != {int}:
        raise TypeError


def absent_value(column: Column) -> Value | None:
    """Return what stands for a value that was not sent; ``None`` where one must be."""
    return MISSING if column.missing else column.default
