"""Encounters as they come in a request, through the tables: a look-up a value, a copy of bytes.

One row is joined from the bytes of its values' vectors; several rows are encoded column by column.
Both read the same tables, and give the batch encoder's bits.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import getitem, itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.block import Block, Combine

Value = int | str
Values = tuple[Value, ...]
Row = Mapping[str, Value]
Matrix = NDArray[np.float32]
Numbers = NDArray[np.float64]

_CACHED = 8192
"""Entries kept of a table: a request's columns hold few distinct values, ICD-9 some thousands."""
_MANY = 12
"""Rows from which encoding column by column is quicker."""
_FEW = 3
"""Columns up to which joining vectors beats looking the whole combination up."""


class Vectors(dict[Value, bytes]):
    """The vectors of one raw column's values, as bytes; filled as values come.

    Blocks that read the same column stand side by side in one vector, so that each value is looked
    up once. A value outside the encoder's domain raises ``InputError``.
    """

    def __init__(self, source: str, blocks: Sequence[Block], kind: type) -> None:
        super().__init__()
        self._source, self._blocks, self._kind = source, blocks, kind

    def __missing__(self, value: Value) -> bytes:
        vectors = (block.lookup(self._source, value) for block in self._blocks)
        found = np.array([*chain.from_iterable(vectors)], np.float64).astype(self._kind).tobytes()
        if len(self) < _CACHED:
            self[value] = found
        return found


class _Joined:
    """Blocks over several raw columns: their vectors are joined in float64 and rounded once."""

    def __init__(self, blocks: Sequence[Block], names: Sequence[str]) -> None:
        sources = blocks[0].sources
        self._how = np.add if blocks[0].combine is Combine.SUM else np.maximum
        self._tables = [Vectors(source, blocks, np.float64) for source in sources]
        self._pick = itemgetter(*(names.index(source) for source in sources))

    def encode_row(self, values: Values) -> Numbers:
        """Return the blocks' part of an encoded row."""
        first, *others = map(np.frombuffer, map(getitem, self._tables, self._pick(values)))
        for other in others:
            first = self._how(first, other)
        return first

    def encode_columns(self, columns: Sequence[Sequence[Value]]) -> Numbers:
        """Return the blocks' part of several encoded rows."""
        pairs = zip(self._tables, self._pick(columns), strict=True)
        first, *others = (_looked_up(table, column, np.float64) for table, column in pairs)
        for other in others:
            first = self._how(first, other)
        return first


class _Combined(dict[Values, bytes]):
    """Blocks over many raw columns, such as the drugs: few combinations occur, and each is kept."""

    def __init__(self, blocks: Sequence[Block], names: Sequence[str]) -> None:
        super().__init__()
        sources = blocks[0].sources
        self._joined = _Joined(blocks, sources)
        self._pick = itemgetter(*(names.index(source) for source in sources))

    def __missing__(self, picked: Values) -> bytes:
        found = self._joined.encode_row(picked).tobytes()
        if len(self) < _CACHED:
            self[picked] = found
        return found

    def encode_row(self, values: Values) -> Numbers:
        """Return the blocks' part of an encoded row."""
        return np.frombuffer(self[self._pick(values)])

    def encode_columns(self, columns: Sequence[Sequence[Value]]) -> Numbers:
        """Return the blocks' part of several encoded rows."""
        return _looked_up(self, [*zip(*self._pick(columns), strict=True)], np.float64)


class RowEncoder:
    """Encodes rows that are given by their values, in the order of :attr:`names`.

    Attributes:
        names: the raw columns, those that have vectors of their own first.
        tables: the vectors of each column, as float32 bytes; empty ones where it has none of its
            own and is only joined with others.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        groups = _grouped(blocks)
        alone = {key[0][0]: members for key, members in groups.items() if len(key[0]) == 1}
        several = [members for key, members in groups.items() if len(key[0]) > 1]
        sources = chain.from_iterable(block.sources for block in blocks)
        self.names = tuple(dict.fromkeys([*alone, *sources]))
        self.tables: Sequence[Mapping[Value, bytes]] = [
            Vectors(name, alone.get(name, ()), np.float32) for name in self.names
        ]
        self._widths = [_width(alone.get(name, ())) for name in self.names]
        self._joined = [
            (_Joined if len(members[0].sources) <= _FEW else _Combined)(members, self.names)
            for members in several
        ]
        self._ends = _edges([sum(self._widths), *map(_width, several)])
        self._order = _order(blocks, [*alone.values(), *several])

    def through(self, tables: Sequence[Mapping[Value, bytes]], names: Sequence[str]) -> RowEncoder:
        """Return the same encoder over tables that may know fewer values.

        Args:
            tables: of the encoder's columns and of any more, whose vectors are empty.
            names: the columns of the tables, the encoder's first.
        """
        other = copy.copy(self)
        other.names, other.tables = tuple(names), tables
        other._widths = self._widths + [0] * (len(names) - len(self.names))
        return other

    def encode(self, rows: Sequence[Values]) -> Matrix:
        """Return a matrix of some rows, at least one.

        Raises:
            InputError: as :meth:`encode_row`.
        """
        if len(rows) == 1:
            return self.encode_row(rows[0])
        return self.encode_columns([*zip(*rows, strict=True)])

    def encode_row(self, values: Values) -> Matrix:
        """Return a matrix of one row.

        Raises:
            InputError: a value is outside the encoder's domain.
        """
        start, *ends = self._ends
        matrix = np.empty((1, self._ends[-1]), dtype=np.float32)
        row = matrix[0]
        row[:start] = np.frombuffer(b"".join(map(getitem, self.tables, values)), np.float32)
        for joined, end in zip(self._joined, ends, strict=True):
            row[start:end] = joined.encode_row(values)
            start = end
        return matrix if self._order is None else matrix[:, self._order]

    def encode_columns(self, columns: Sequence[Sequence[Value]]) -> Matrix:
        """Return a matrix with a row for each of the columns' values, of which there are some.

        Raises:
            InputError: as :meth:`encode_row`.
        """
        if len(columns[0]) < _MANY:
            return np.concatenate([*map(self.encode_row, zip(*columns, strict=True))])
        start = 0
        matrix = np.empty((len(columns[0]), self._ends[-1]), dtype=np.float32)
        for table, column, width in zip(self.tables, columns, self._widths, strict=True):
            matrix[:, start : start + width] = _looked_up(table, column, np.float32)
            start += width
        for joined, end in zip(self._joined, self._ends[1:], strict=True):
            matrix[:, start:end] = joined.encode_columns(columns)
            start = end
        return matrix if self._order is None else matrix[:, self._order]


def side_by_side(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Order blocks as :class:`RowEncoder` computes them: those of one raw column first."""
    groups = _grouped(blocks)
    ordered = sorted(groups, key=lambda key: len(key[0]) > 1)
    return tuple(block for key in ordered for block in groups[key])


_Reads = tuple[tuple[str, ...], Combine | None]


def _looked_up(table: Mapping[Any, bytes], keys: Sequence[Any], kind: type) -> NDArray[Any]:
    """Return the vectors of some keys, shape ``(keys, width)``."""
    found = b"".join(itemgetter(*keys)(table) if len(keys) > 1 else (table[keys[0]],))
    return np.frombuffer(found, kind).reshape(len(keys), -1 if found else 0)


def _reads(block: Block) -> _Reads:
    """Tell what blocks must share to be looked up together; one column needs no joining."""
    return block.sources, block.combine if len(block.sources) > 1 else None


def _grouped(blocks: Sequence[Block]) -> dict[_Reads, list[Block]]:
    groups: dict[_Reads, list[Block]] = {}
    for block in blocks:
        groups.setdefault(_reads(block), []).append(block)
    return groups


def _width(blocks: Iterable[Block]) -> int:
    return sum(len(block.outputs) for block in blocks)


def _edges(widths: Sequence[int]) -> list[int]:
    return [int(edge) for edge in np.cumsum(widths)]


def _order(blocks: Sequence[Block], groups: Sequence[Sequence[Block]]) -> NDArray[np.int64] | None:
    """Return where each encoded column stands in the computed order; ``None`` when the same."""
    computed = [name for members in groups for block in members for name in block.outputs]
    wanted = [name for block in blocks for name in block.outputs]
    if computed == wanted:
        return None
    place = {name: position for position, name in enumerate(computed)}
    return np.array([place[name] for name in wanted])
