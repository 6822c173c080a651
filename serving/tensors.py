"""The input tensors of a V2 request, read as columns of raw values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from components.schema import Column
from serving.errors import Problems
from serving.known import Batch, KnownRows
from serving.rows import RowReader, allowed, may_lack

_FLOATS = ("FP64", "FP32")
_INTEGERS = ("INT64", "INT32", *_FLOATS)
_TEXTS = ("BYTES",)


class Tensor(Protocol):
    """A named V2 tensor, as kserve's ``InferInput`` holds it."""

    @property
    def name(self) -> str:
        """A raw column name."""

    @property
    def datatype(self) -> str:
        """A V2 datatype such as ``INT64``."""

    @property
    def shape(self) -> list[int]:
        """``[n]`` or ``[n, 1]``."""

    @property
    def data(self) -> object:
        """The ``n`` values, flat or, with shape ``[n, 1]``, as ``n`` lists of one."""


@dataclass(frozen=True, slots=True)
class PlainTensor:
    """A tensor whose parts were taken from a message of another form."""

    name: str
    datatype: str
    shape: list[int]
    data: list[object]


@dataclass(frozen=True, slots=True)
class Columns:
    """Values by raw column name, all of one length."""

    cells: dict[str, list[object]]

    @property
    def size(self) -> int:
        """Number of encounters."""
        return len(next(iter(self.cells.values()), ()))

    def instances(self) -> Iterator[dict[str, object]]:
        """Yield the encounters one by one, as a V1 body holds them."""
        names = tuple(self.cells)
        for row in zip(*self.cells.values(), strict=True):
            yield dict(zip(names, row, strict=True))

    def find(self, known: KnownRows) -> Batch | None:
        """Read all encounters the short way; ``None`` when one is not plainly good."""
        return known.find_columns(self.cells)

    def parts(self, rows: int) -> Iterator[Columns]:
        """Yield the same columns, some rows at a time."""
        for start in range(0, self.size, rows):
            yield Columns({n: cells[start : start + rows] for n, cells in self.cells.items()})


def read_columns(tensors: Sequence[Tensor], rows: RowReader, problems: Problems) -> Columns:
    """Return the sound tensors' values, all of the first one's length.

    A feature that must be sent and for which no tensor is there is a problem as well.
    """
    columns = Columns({})
    for tensor in tensors:
        column = rows.column(tensor.name)
        try:
            if column is None:
                raise ValueError("unknown field")
            if column.name in columns.cells:
                raise ValueError("sent twice")
            cells = _cells(tensor, column)
            if columns.cells and len(cells) != columns.size:
                raise ValueError(f"{len(cells)} rows, the tensors before it hold {columns.size}")
            columns.cells[column.name] = cells
        except ValueError as error:
            expected = None if column is None else allowed(column)
            problems.add(None, tensor.name, None, str(error), expected)
    known = {column.name for tensor in tensors if (column := rows.column(tensor.name))}
    for column in rows.features:
        if column.name not in known and not may_lack(column):
            problems.add(None, column.name, None, "absent", allowed(column))
    return columns


def _cells(tensor: Tensor, column: Column) -> list[object]:
    """Return a tensor's values, flat.

    Raises:
        ValueError: datatype, shape and data do not fit the column or each other.
    """
    datatypes = _INTEGERS if column.is_integer else _TEXTS
    if tensor.datatype not in datatypes:
        raise ValueError(f"its datatype must be one of {', '.join(datatypes)}")
    if not isinstance(tensor.shape, list) or tensor.shape[1:] not in ([], [1]):
        raise ValueError("its shape must be [n] or [n, 1]")
    if not isinstance(tensor.data, list):
        raise ValueError("its data must be a list")
    cells = [_unwrapped(cell) for cell in tensor.data] if tensor.shape[1:] else tensor.data
    if tensor.datatype in _FLOATS:
        cells = [int(c) if isinstance(c, float) and c.is_integer() else c for c in cells]
    if tensor.shape != [len(cells), *tensor.shape[1:]]:
        raise ValueError(f"its data holds {len(cells)} values, its shape says otherwise")
    return cells


def _unwrapped(cell: object) -> object:
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell
