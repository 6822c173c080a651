"""The batch encoder: whole Arrow columns through the same tables as single rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.features.encoder import Block, Combine, Encoder

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
    for position, source in enumerate(block.sources):
        values = _vectors(block, source, columns[source])
        if position == 0:
            out[:] = values
        elif block.combine is Combine.SUM:
            out += values
        else:
            np.maximum(out, values, out=out)


def _vectors(block: Block, source: str, column: pa.DictionaryArray) -> Matrix:
    table = [block.lookup(source, value) for value in column.dictionary.to_pylist()]
    vectors = np.array(table, dtype=np.float32).reshape(len(table), len(block.outputs))
    taken: Matrix = vectors[column.indices.to_numpy(zero_copy_only=False)]
    return taken


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return the column as one dictionary array that holds only values that occur."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.combine_chunks().dictionary_encode()
