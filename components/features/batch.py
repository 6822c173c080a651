"""The batch encoder: whole Arrow columns through the same tables as single rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.features.block import Block, Combine
from components.features.encoder import Encoder

Matrix = NDArray[np.float32]


def encode_table(encoder: Encoder, table: pa.Table) -> Matrix:
    """Encode a table of raw encounters into a matrix of shape ``(rows, encoder.width)``.

    Each distinct value is looked up once, then taken by its dictionary index.

    Raises:
        InputError: a value is outside the encoder's domain.
    """
    columns = {name: _dictionary(table[name]) for name in encoder.sources}
    matrix = np.empty((table.num_rows, encoder.width), dtype=np.float32)
    start = 0
    for block in encoder.blocks:
        stop = start + len(block.outputs)
        _fill(block, columns, matrix[:, start:stop])
        start = stop
    return matrix


def _fill(block: Block, columns: dict[str, pa.DictionaryArray], out: Matrix) -> None:
    """Join the columns as a single row's are: in float64, in the same order, rounded once."""
    first, *others = block.sources
    if not others:
        out[:] = _vectors(block, first, columns[first], np.float32)
        return
    how = np.add if block.combine is Combine.SUM else np.maximum
    joined = _vectors(block, first, columns[first], np.float64)
    for source in others:
        how(joined, _vectors(block, source, columns[source], np.float64), out=joined)
    out[:] = joined


def _vectors(block: Block, source: str, column: pa.DictionaryArray, kind: type) -> NDArray[Any]:
    table = [block.lookup(source, value) for value in column.dictionary.to_pylist()]
    vectors: NDArray[Any] = np.array(table, kind).reshape(len(table), len(block.outputs))
    taken: NDArray[Any] = vectors[column.indices.to_numpy(zero_copy_only=False)]
    return taken


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return the column as one dictionary array that holds only values that occur."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.combine_chunks().dictionary_encode()
