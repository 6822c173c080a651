"""The encoder: a table of vectors for each raw column, and nothing else.

A raw value is turned into a key (itself, its ICD-9 chapter or its ICD-9 category), the key into a
fixed vector. Numbers are integers with a known range, so they are tables as well. The batch
encoder and the row encoder read the same tables, which is why their results are equal to the last
bit, and the whole encoder is plain JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.block import Block
from components.features.row import Row, RowEncoder

Encoded = NDArray[np.float32]


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
    def places(self) -> Mapping[tuple[str, ...], NDArray[np.int64]]:
        """The positions of the encoded columns that some raw columns fill together."""
        found: dict[tuple[str, ...], list[int]] = {}
        start = 0
        for block in self.blocks:
            found.setdefault(block.sources, []).extend(range(start, start + len(block.outputs)))
            start += len(block.outputs)
        return {sources: np.array(positions) for sources, positions in found.items()}

    @cached_property
    def by_row(self) -> RowEncoder:
        """The encoder of single rows, over the same tables."""
        return RowEncoder(self.blocks)

    def encode_row(self, row: Row) -> Encoded:
        """Encode one encounter whose values passed the schema; ``?`` marks a missing value.

        Returns:
            ``width`` numbers in the order of :attr:`outputs`.

        Raises:
            InputError: a value is outside the encoder's domain.
            KeyError: a source column is absent from the row.
        """
        encoded: Encoded = self.encode_rows([row])[0]
        return encoded

    def encode_rows(self, rows: Sequence[Row]) -> Encoded:
        """Encode encounters into a matrix of shape ``(len(rows), width)``.

        Raises:
            InputError, KeyError: as :meth:`encode_row`.
        """
        if not rows:
            return np.empty((0, self.width), dtype=np.float32)
        return self.by_row.encode([*map(itemgetter(*self.by_row.names), rows)])

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
