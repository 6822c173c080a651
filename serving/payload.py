"""Request bodies of both protocols, read into the same checked and encoded encounters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from operator import itemgetter
from typing import Protocol

from components.features.encoder import Encoder
from components.schema import Schema
from serving.errors import Problems, RequestError, json_type
from serving.known import Batch, KnownRows
from serving.rows import RowReader
from serving.tensors import Tensor, read_columns

MAX_BATCH = 10_000
"""Most rows that one request may hold unless the server is told otherwise."""
CHUNK = 128
"""Rows of a large request that are read and scored before another request gets its turn."""


class Part(Protocol):
    """Some of a request's encounters."""

    @property
    def size(self) -> int:
        """How many."""

    def find(self, known: KnownRows) -> Batch | None:
        """Read all of them the short way; ``None`` when one cannot be."""

    def instances(self) -> Iterable[object]:
        """Return them one by one, as a V1 body holds them."""


class PayloadReader:
    """Reads requests for a model of one schema and encoder.

    Every ``read`` yields the encounters some at a time and raises :class:`RequestError`: 400 that
    tells all bad fields at once, or 413 when there are more than ``max_batch`` rows. Once a field
    was bad, what it yields is empty.

    Attributes:
        names: the feature columns, in the order of a batch's values.
    """

    def __init__(self, schema: Schema, encoder: Encoder, max_batch: int) -> None:
        self._rows = RowReader(schema)
        self._known = KnownRows(schema, encoder)
        self._encoder, self._max_batch = encoder, max_batch
        self.names = self._known.names
        self._pick = itemgetter(*self.names)

    def read_instances(self, body: object) -> Iterator[Batch]:
        """Read a V1 body: ``{"instances": [{raw column: value}, ...]}``."""
        instances = _instances(body)
        self._check_size(len(instances))
        starts = range(0, len(instances), CHUNK)
        return self._read(_Instances(instances[start : start + CHUNK]) for start in starts)

    def read_pieces(self, pieces: Iterable[list[object]]) -> Iterator[Batch]:
        """Read the instances of a V1 body, some at a time."""
        return self._read(map(_Instances, pieces))

    def read_tensors(self, tensors: Sequence[Tensor]) -> Iterator[Batch]:
        """Read the input tensors of a V2 body: one for each raw column, all of one length."""
        problems = Problems()
        columns = read_columns(tensors, self._rows, problems)
        if columns.size or not problems:
            self._check_size(columns.size)
        if problems:  # whatever can be read may be wrong as well
            readable = [c for c in self._rows.features if c.name in columns.cells]
            for index, sent in enumerate(columns.instances()):
                self._rows.row(index, sent, problems, readable)
            problems.raise_any(columns.size)
        return self._read(columns.parts(CHUNK))

    def _read(self, parts: Iterable[Part]) -> Iterator[Batch]:
        problems, rows = Problems(), 0
        for part in parts:
            self._check_size(rows + part.size)
            batch = part.find(self._known) or self._read_one_by_one(rows, part, problems)
            yield Batch() if problems else batch
            rows += part.size
        problems.raise_any(rows)

    def _read_one_by_one(self, start: int, part: Part, problems: Problems) -> Batch:
        whole = Batch()
        for index, sent in enumerate(part.instances(), start):
            found = self._known.find(sent) or self._checked(index, sent, problems)
            if found is not None:
                whole.extend(found)
        return whole

    def _checked(self, index: int, sent: object, problems: Problems) -> Batch | None:
        """Read an encounter field by field; ``None`` once there are problems."""
        if not isinstance(sent, dict):
            why = f"{json_type(sent)} where an object is expected"
            problems.add(index, "instances", sent, why, "an object of raw columns")
            return None
        named = self._rows.canonical(index, sent, problems)
        row = self._rows.row(index, named, problems)
        identifiers = self._rows.identifiers(index, named, problems)
        if problems:
            return None
        unseen = {column: {*found} for column, found in self._encoder.unseen([row]).items()}
        matrix = self._encoder.encode_rows([row])
        return Batch([self._pick(row)], [matrix], [identifiers], unseen)

    def _check_size(self, rows: int) -> None:
        if rows == 0:
            raise RequestError("the request holds no rows")
        if rows > self._max_batch:
            raise RequestError(
                f"the request holds {rows} rows, at most {self._max_batch} are allowed; split it",
                status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )


@dataclass(frozen=True, slots=True)
class _Instances:
    """Some of a V1 body's encounters."""

    sent: list[object]

    @property
    def size(self) -> int:
        """How many."""
        return len(self.sent)

    def find(self, known: KnownRows) -> Batch | None:
        """Read all of them the short way."""
        return known.find_all(self.sent) if len(self.sent) > 1 else known.find(self.sent[0])

    def instances(self) -> Iterable[object]:
        """Return them one by one."""
        return self.sent


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
