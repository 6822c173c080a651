"""The encoder: a table of vectors for each raw column, and nothing else.

A raw value is turned into a key (itself, its ICD-9 chapter or its ICD-9 category), the key into a
fixed vector. Numbers are integers with a known range, so they are tables as well. The batch
encoder and the row encoder read the same tables, which is why their results are equal to the last
bit, and the whole encoder is plain JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import InputError
from components.features import icd9

Row = Mapping[str, int | str]
Vector = tuple[float, ...]
_CACHED_CODES = 8192


class Key(StrEnum):
    """How a raw value becomes the key of a table."""

    VALUE = "value"
    CHAPTER = "icd9_chapter"
    CATEGORY = "icd9_category"


class Combine(StrEnum):
    """How a block with several source columns joins their vectors."""

    SUM = "sum"
    MAX = "max"


_KEYS: dict[Key, Callable[[str], str]] = {
    Key.VALUE: str,
    Key.CHAPTER: icd9.chapter,
    Key.CATEGORY: icd9.category,
}


@dataclass(frozen=True)
class Block:
    """Some raw columns that fill some adjacent encoded columns.

    ``other`` is the vector of a key that the table does not hold; ``None`` where the table holds
    the whole domain, so that any other value is an error.
    """

    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    table: Mapping[str, Vector]
    other: Vector | None = None
    key: Key = Key.VALUE
    combine: Combine = Combine.SUM

    def lookup(self, source: str, value: int | str) -> Vector:
        """Return the vector of one raw value.

        Raises:
            InputError: the value is outside the column's domain.
        """
        vector = self.table.get(_KEYS[self.key](str(value)), self.other)
        if vector is None:
            raise InputError(f"column {source!r}: {value!r} is outside the encoder's domain")
        return vector

    def join(self, vectors: Sequence[Vector]) -> Vector:
        """Join the vectors of the source columns."""
        if len(vectors) == 1:
            return vectors[0]
        how = sum if self.combine is Combine.SUM else max
        return tuple(how(values) for values in zip(*vectors, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the block as it stands in the bundle."""
        return {
            "outputs": list(self.outputs),
            "sources": list(self.sources),
            "key": self.key.value,
            "combine": self.combine.value,
            "other": None if self.other is None else list(self.other),
            "table": {key: list(vector) for key, vector in self.table.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Block:
        """Build a block from :meth:`to_json`'s form."""
        other = data["other"]
        return cls(
            outputs=tuple(data["outputs"]),
            sources=tuple(data["sources"]),
            table={key: tuple(vector) for key, vector in data["table"].items()},
            other=None if other is None else tuple(other),
            key=Key(data["key"]),
            combine=Combine(data["combine"]),
        )


@dataclass(frozen=True)
class Encoder:
    """Turns raw encounters into float32 matrices of ``width`` columns.

    ``known`` holds, for each open column, the values seen in training: others are encoded as
    "other" and named in the response's warnings.
    """

    blocks: tuple[Block, ...]
    known: Mapping[str, frozenset[str]]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        return tuple(name for block in self.blocks for name in block.outputs)

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.outputs)

    @property
    def sources(self) -> frozenset[str]:
        """The raw columns that the encoder reads."""
        return frozenset(name for block in self.blocks for name in block.sources)

    @cached_property
    def _caches(self) -> list[list[tuple[str, dict[int | str, Vector]]]]:
        return [[(source, {}) for source in block.sources] for block in self.blocks]

    def encode_row(self, row: Row) -> list[float]:
        """Encode one encounter whose values passed the schema; ``?`` marks a missing value.

        Returns:
            ``width`` numbers in the order of :attr:`outputs`.

        Raises:
            InputError: a value is outside the encoder's domain.
            KeyError: a source column is absent from the row.
        """
        encoded: list[float] = []
        for block, caches in zip(self.blocks, self._caches, strict=True):
            vectors = [_cached(block, source, row[source], cache) for source, cache in caches]
            encoded.extend(block.join(vectors))
        return encoded

    def encode_rows(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Encode encounters into a matrix of shape ``(len(rows), width)``."""
        matrix = np.empty((len(rows), self.width), dtype=np.float32)
        for index, row in enumerate(rows):
            matrix[index] = self.encode_row(row)
        return matrix

    def unseen(self, rows: Iterable[Row]) -> dict[str, list[str]]:
        """Return, by open column, the values that training never saw."""
        found: dict[str, set[str]] = {}
        for row in rows:
            for column, known in self.known.items():
                if row[column] not in known:
                    found.setdefault(column, set()).add(str(row[column]))
        return {column: sorted(values) for column, values in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the encoder as it stands in the bundle."""
        return {
            "blocks": [block.to_json() for block in self.blocks],
            "known": {column: sorted(values) for column, values in self.known.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Encoder:
        """Build an encoder from :meth:`to_json`'s form."""
        return cls(
            blocks=tuple(Block.from_json(block) for block in data["blocks"]),
            known={column: frozenset(values) for column, values in data["known"].items()},
        )


def _cached(block: Block, source: str, value: int | str, cache: dict[int | str, Vector]) -> Vector:
    """Look a value up once: a request's columns hold few distinct values, ICD-9 some thousands."""
    vector = cache.get(value)
    if vector is None:
        vector = block.lookup(source, value)
        if len(cache) < _CACHED_CODES:
            cache[value] = vector
    return vector
