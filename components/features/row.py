"""One encounter through the tables: a lookup a raw column, whatever the number of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from components.features.block import Block, Combine

Row = Mapping[str, int | str]
Numbers = NDArray[np.float64]

_CACHED_VALUES = 8192
"""Values kept of a column: a request's columns hold few distinct ones, ICD-9 some thousands."""


class Group:
    """Adjacent blocks that read the same raw columns and join them alike.

    Their vectors stand side by side in one array a raw value, so that each value is looked up once.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = tuple(blocks)
        self._sources = blocks[0].sources
        self._adds = blocks[0].combine is Combine.SUM
        self._caches: dict[str, dict[int | str, Numbers]] = {name: {} for name in self._sources}
        self._zero = np.zeros(sum(len(block.outputs) for block in blocks))

    def encode(self, row: Row) -> Numbers:
        """Return the group's part of the encoded row.

        Raises:
            InputError: a value is outside the encoder's domain.
            KeyError: a source column is absent from the row.
        """
        found = [self._vector(name, row[name]) for name in self._sources]
        if len(found) == 1:
            return found[0]
        return self._added(found) if self._adds else np.maximum.reduce(found)

    def _added(self, found: list[Numbers]) -> Numbers:
        """Add in the order of the columns; a zero adds nothing, and most drugs are not given."""
        total = self._zero
        for vector in found:
            if vector is not self._zero:
                total = total + vector
        return total

    def _vector(self, source: str, value: int | str) -> Numbers:
        cache = self._caches[source]
        vector = cache.get(value)
        if vector is None:
            vector = self._looked_up(source, value)
            if len(cache) < _CACHED_VALUES:
                cache[value] = vector
        return vector

    def _looked_up(self, source: str, value: int | str) -> Numbers:
        parts = [number for block in self._blocks for number in block.lookup(source, value)]
        return np.array(parts, dtype=np.float64) if any(parts) else self._zero


def grouped(blocks: Sequence[Block]) -> tuple[Group, ...]:
    """Group blocks in their order."""
    return tuple(Group(list(members)) for _, members in groupby(blocks, key=_reads))


def side_by_side(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Order blocks so that those which make one group are adjacent; else as they stood."""
    first: dict[object, int] = {}
    for position, block in enumerate(blocks):
        first.setdefault(_reads(block), position)
    return tuple(sorted(blocks, key=lambda block: first[_reads(block)]))


def _reads(block: Block) -> tuple[tuple[str, ...], Combine]:
    return block.sources, block.combine
