"""Request bodies of both protocols, read into the same checked encounters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from components.schema import Column, Schema
from serving.errors import Problems, RequestError, json_type
from serving.rows import Row, RowReader, allowed

MAX_BATCH = 10_000
"""Most rows that one request may hold unless the server is told otherwise."""

_INTEGERS = ("INT64", "INT32", "FP64", "FP32")
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
class Batch:
    """Encounters that passed the schema.

    ``rows`` hold every feature column; ``identifiers`` hold, for each row, those that were sent.
    """

    rows: list[Row]
    identifiers: list[dict[str, int]]


class PayloadReader:
    """Reads requests for a model of one schema.

    Every ``read`` raises :class:`RequestError`: 400 that tells all bad fields at once, or 413 when
    there are more than ``max_batch`` rows.
    """

    def __init__(self, schema: Schema, max_batch: int) -> None:
        self._reader = RowReader(schema)
        self._max_batch = max_batch

    def read_instances(self, body: object) -> Batch:
        """Read a V1 body: ``{"instances": [{raw column: value}, ...]}``."""
        instances = _instances(body)
        self._check_size(len(instances))
        problems = Problems()
        rows, identifiers = [], []
        for index, instance in enumerate(instances):
            if not isinstance(instance, dict):
                why = f"{json_type(instance)} where an object is expected"
                problems.add(index, "instances", instance, why, "an object of raw columns")
                continue
            values = self._reader.canonical(index, instance, problems)
            rows.append(self._reader.row(index, values, problems))
            identifiers.append(self._reader.identifiers(index, values, problems))
        problems.raise_any(len(instances))
        return Batch(rows, identifiers)

    def read_tensors(self, tensors: Sequence[Tensor]) -> Batch:
        """Read the input tensors of a V2 body: one for each raw column, all of one length."""
        problems = Problems()
        columns = self._columns(tensors, problems)
        size = len(next(iter(columns.values()), ()))
        if size or not problems:
            self._check_size(size)
        features = self._readable(columns, {tensor.name for tensor in tensors}, problems)
        rows, identifiers = [], []
        for index in range(size):
            values = {name: cells[index] for name, cells in columns.items()}
            rows.append(self._reader.row(index, values, problems, features))
            identifiers.append(self._reader.identifiers(index, values, problems))
        problems.raise_any(size)
        return Batch(rows, identifiers)

    def _columns(self, tensors: Sequence[Tensor], problems: Problems) -> dict[str, list[object]]:
        """Return the sound tensors' values by raw column name, all of the first one's length."""
        columns: dict[str, list[object]] = {}
        for tensor in tensors:
            column = self._reader.column(tensor.name)
            try:
                if column is None:
                    raise ValueError("unknown field")
                if column.name in columns:
                    raise ValueError("sent twice")
                cells = _cells(tensor, column)
                size = len(next(iter(columns.values()), cells))
                if len(cells) != size:
                    raise ValueError(f"{len(cells)} rows, the tensors before it hold {size}")
                columns[column.name] = cells
            except ValueError as error:
                problems.add(None, tensor.name, None, str(error), _expected(column))
        return columns

    def _readable(
        self, columns: dict[str, list[object]], sent: set[str], problems: Problems
    ) -> list[Column]:
        """Return the features that each row can be read for; an absent tensor is told once."""
        features = []
        known = {column.name for name in sent if (column := self._reader.column(name))}
        for column in self._reader.features:
            may_lack = column.missing or column.default is not None
            if column.name in columns or (may_lack and column.name not in known):
                features.append(column)
            elif column.name not in known:
                problems.add(None, column.name, None, "absent", allowed(column))
        return features

    def _check_size(self, rows: int) -> None:
        if rows == 0:
            raise RequestError("the request holds no rows")
        if rows > self._max_batch:
            raise RequestError(
                f"the request holds {rows} rows, at most {self._max_batch} are allowed; split it",
                status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )


def _instances(body: object) -> list[object]:
    expected = 'expected {"instances": [{raw column: value}, ...]}'
    if not isinstance(body, dict):
        raise RequestError(f"the body is {json_type(body)}; {expected}")
    if "instances" not in body:
        raise RequestError(f'the body has no "instances"; {expected}')
    instances = body["instances"]
    if not isinstance(instances, list):
        raise RequestError(f'"instances" is {json_type(instances)}; {expected}')
    return instances


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
    if tensor.shape != [len(cells), *tensor.shape[1:]]:
        raise ValueError(f"its data holds {len(cells)} values, its shape says otherwise")
    return cells


def _unwrapped(cell: object) -> object:
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell


def _expected(column: Column | None) -> str | None:
    return None if column is None else allowed(column)
