"""Single encounters through the tables: a look-up a raw value, a copy of its vector's bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import getitem, itemgetter

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
        self._positions = [names.index(source) for source in sources]
        self.pick = itemgetter(*self._positions)

    def encode(self, values: Sequence[Values]) -> Numbers:
        """Return the blocks' part of the encoded rows."""
        return self._join([[row[position] for row in values] for position in self._positions])

    def encode_picked(self, picked: Values) -> Numbers:
        """Return the part of one row, of which the blocks' own values are given."""
        return self._join([[value] for value in picked])

    def _join(self, columns: Sequence[Sequence[Value]]) -> Numbers:
        pairs = zip(self._tables, columns, strict=True)
        first, *others = (
            np.frombuffer(b"".join([table[value] for value in column])) for table, column in pairs
        )
        for other in others:
            first = self._how(first, other)
        return first.reshape(len(columns[0]), -1)


class _Combined(dict[Values, bytes]):
    """Blocks over many raw columns, such as the drugs: few combinations occur, and each is kept."""

    def __init__(self, blocks: Sequence[Block], names: Sequence[str]) -> None:
        super().__init__()
        self._joined = _Joined(blocks, names)

    def __missing__(self, picked: Values) -> bytes:
        found = self._joined.encode_picked(picked).tobytes()
        if len(self) < _CACHED:
            self[picked] = found
        return found

    def encode(self, values: Sequence[Values]) -> Numbers:
        """Return the blocks' part of the encoded rows."""
        pick = self._joined.pick
        parts = b"".join([self[pick(row)] for row in values])
        return np.frombuffer(parts).reshape(len(values), -1)


class RowEncoder:
    """Encodes rows that are given as tuples of values, in the order of :attr:`names`.

    Attributes:
        names: the raw columns, those that have vectors of their own first.
        tables: the vectors of each of the first ``names``, as float32 bytes.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        groups = _grouped(blocks)
        alone = {key[0][0]: members for key, members in groups.items() if len(key[0]) == 1}
        several = [members for key, members in groups.items() if len(key[0]) > 1]
        sources = chain.from_iterable(block.sources for block in blocks)
        self.names = tuple(dict.fromkeys([*alone, *sources]))
        self.tables = [Vectors(name, members, np.float32) for name, members in alone.items()]
        self._joined = [
            (_Joined if len(members[0].sources) <= _FEW else _Combined)(members, self.names)
            for members in several
        ]
        self._edges = _edges([_width(alone.values()), *(_width([m]) for m in several)])
        self._order = _order(blocks, [*alone.values(), *several])

    def encode(self, values: Sequence[Values]) -> Matrix:
        """Return a matrix of shape ``(len(values), width)``.

        Raises:
            InputError: a value is outside the encoder's domain.
        """
        parts: list[bytes] = []
        for row in values:
            parts.extend(map(getitem, self.tables, row))
        return self.assemble(parts, values)

    def assemble(self, parts: Sequence[bytes], values: Sequence[Values]) -> Matrix:
        """Return the matrix of rows whose own vectors were looked up already.

        Args:
            parts: the bytes that :attr:`tables` hold for each row's first values, row by row.
            values: the rows themselves.
        """
        start, *ends = self._edges
        matrix = np.empty((len(values), self._edges[-1]), dtype=np.float32)
        matrix[:, :start] = np.frombuffer(b"".join(parts), np.float32).reshape(len(values), start)
        for joined, end in zip(self._joined, ends, strict=True):
            matrix[:, start:end] = joined.encode(values)
            start = end
        return matrix if self._order is None else matrix[:, self._order]


def side_by_side(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Order blocks as :class:`RowEncoder` computes them: those of one raw column first."""
    groups = _grouped(blocks)
    ordered = sorted(groups, key=lambda key: len(key[0]) > 1)
    return tuple(block for key in ordered for block in groups[key])


_Reads = tuple[tuple[str, ...], Combine | None]


def _reads(block: Block) -> _Reads:
    """Tell what blocks must share to be looked up together; one column needs no joining."""
    return block.sources, block.combine if len(block.sources) > 1 else None


def _grouped(blocks: Sequence[Block]) -> dict[_Reads, list[Block]]:
    groups: dict[_Reads, list[Block]] = {}
    for block in blocks:
        groups.setdefault(_reads(block), []).append(block)
    return groups


def _width(groups: Iterable[Sequence[Block]]) -> int:
    return sum(len(block.outputs) for members in groups for block in members)


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
