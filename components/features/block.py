"""A block: some raw columns, a table of vectors, and the encoded columns that it fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from components.errors import InputError
from components.features import icd9

Vector = tuple[float, ...]


class Key(StrEnum):
    """How a raw value becomes the key of a table."""

    VALUE = "value"
    CHAPTER = "icd9_chapter"
    CATEGORY = "icd9_category"
    MAGNITUDE = "magnitude"


class Combine(StrEnum):
    """How a block with several source columns joins their vectors."""

    SUM = "sum"
    MAX = "max"


_KEYS: dict[Key, Callable[[str], str]] = {
    Key.VALUE: str,
    Key.CHAPTER: icd9.chapter,
    Key.CATEGORY: icd9.category,
    Key.MAGNITUDE: lambda text: str(int(text).bit_length()),
}


@dataclass(frozen=True)
class Block:
    """Some raw columns that fill some adjacent encoded columns.

    ``backoff`` holds tables of coarser keys, finest first, for a key that ``table`` does not hold.
    ``other`` is the vector of a key that none holds; ``None`` where the table holds the whole
    domain, so that any other value is an error.
    """

    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    table: Mapping[str, Vector]
    other: Vector | None = None
    key: Key = Key.VALUE
    combine: Combine = Combine.SUM
    backoff: tuple[tuple[Key, Mapping[str, Vector]], ...] = ()

    def lookup(self, source: str, value: int | str) -> Vector:
        """Return the vector of one raw value.

        Raises:
            InputError: the value is outside the column's domain.
        """
        text = str(value)
        for key, table in ((self.key, self.table), *self.backoff):
            if (vector := table.get(_KEYS[key](text))) is not None:
                return vector
        if self.other is None:
            raise InputError(f"column {source!r}: {value!r} is outside the encoder's domain")
        return self.other

    def to_json(self) -> dict[str, Any]:
        """Return the block as it stands in the bundle."""
        return {
            "outputs": list(self.outputs),
            "sources": list(self.sources),
            "key": self.key.value,
            "combine": self.combine.value,
            "other": None if self.other is None else list(self.other),
            "table": _plain(self.table),
            "backoff": [[key.value, _plain(table)] for key, table in self.backoff],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Block:
        """Build a block from :meth:`to_json`'s form."""
        other = data["other"]
        return cls(
            outputs=tuple(data["outputs"]),
            sources=tuple(data["sources"]),
            table=_table(data["table"]),
            other=None if other is None else tuple(other),
            key=Key(data["key"]),
            combine=Combine(data["combine"]),
            # Encoders of bundles of format 1 have no backoff.
            backoff=tuple((Key(key), _table(table)) for key, table in data.get("backoff", ())),
        )


def _plain(table: Mapping[str, Vector]) -> dict[str, list[float]]:
    return {key: list(vector) for key, vector in table.items()}


def _table(data: Mapping[str, Sequence[float]]) -> dict[str, Vector]:
    return {key: tuple(vector) for key, vector in data.items()}
