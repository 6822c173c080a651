"""Columns of the UCI "Diabetes 130-US hospitals" file and what each may hold.

The domains and ranges are those observed in the published file (doi 10.24432/C5230J) and in its
``IDs_mapping.csv``; drugs may take the four values that Strack et al. 2014 (doi
10.1155/2014/781670) document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

MISSING = "?"
"""The file's own marker of a missing value. The string ``None`` is a value: "not measured"."""

ICD9 = re.compile(r"(?:[0-9]{1,3}|[VE][0-9]{1,3})(?:\.[0-9]{1,2})?")


class Level(StrEnum):
    """What a broken rule does: refuse the whole file, or set the row aside."""

    ERROR = "error"
    QUARANTINE = "quarantine"


class Kind(StrEnum):
    """What a column holds."""

    IDENTIFIER = "identifier"
    NUMBER = "number"
    CODE = "code"
    CATEGORY = "category"
    ICD9 = "icd9"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Column:
    """One raw column.

    ``values`` is the closed domain of a code, category or label; with ``open`` it lists the known
    values and others are counted, not refused. ``missing`` says whether ``?`` is allowed;
    ``default`` is what stands for a value that was not sent, ``None`` where one must be.
    """

    name: str
    kind: Kind
    values: tuple[str | int, ...] = ()
    minimum: int = 0
    maximum: int = 0
    missing: bool = False
    open: bool = False
    default: int | None = None

    @property
    def is_integer(self) -> bool:
        """Whether values are integers."""
        return self.kind in (Kind.IDENTIFIER, Kind.NUMBER, Kind.CODE)

    @property
    def is_feature(self) -> bool:
        """Whether a model may see the column: neither identifier nor label."""
        return self.kind not in (Kind.IDENTIFIER, Kind.LABEL)

    @property
    def level(self) -> Level:
        """What a value of the right type outside the domain does.

        A closed list that does not hold a value means that the coding has changed, and identifiers
        and labels leave no room for doubt: these refuse the file. A number out of range or a
        malformed code is one encounter's trouble.
        """
        if self.open or self.kind in (Kind.NUMBER, Kind.ICD9):
            return Level.QUARANTINE
        return Level.ERROR

    def accepts(self, value: object) -> bool:
        """Whether ``value`` (an ``int`` for integer columns, else a ``str``) may stand here."""
        if self.is_integer:
            return type(value) is int and self._accepts_integer(value)
        return isinstance(value, str) and self._accepts_text(value)

    def _accepts_integer(self, value: int) -> bool:
        if self.kind is Kind.CODE:
            return value in self.values
        return self.minimum <= value <= self.maximum

    def _accepts_text(self, value: str) -> bool:
        if value == MISSING:
            return self.missing
        if self.kind is Kind.ICD9:
            return ICD9.fullmatch(value) is not None
        return value in self.values or (self.open and 0 < len(value) <= 80)

    def expected(self) -> str:
        """Say in a few words what the column may hold, for an error message."""
        if self.kind is Kind.ICD9:
            return "an ICD-9 code such as 250.83, V57 or E885"
        if self.kind in (Kind.NUMBER, Kind.IDENTIFIER):
            return f"an integer from {self.minimum} to {self.maximum}"
        if self.open:
            return "a text of 1 to 80 characters"
        return "one of " + ", ".join(str(value) for value in self.values)

    def to_json(self) -> dict[str, Any]:
        """Return the column as it stands in the schema's JSON."""
        plain = {
            "name": self.name,
            "kind": self.kind.value,
            "values": list(self.values),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "missing": self.missing,
            "open": self.open,
        }
        return plain if self.default is None else {**plain, "default": self.default}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Build a column from its JSON.

        Raises:
            KeyError, TypeError, ValueError: the JSON is not a column's.
        """
        known = dict(data)
        return cls(
            name=known.pop("name"),
            kind=Kind(known.pop("kind")),
            values=tuple(known.pop("values", ())),
            **known,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule across columns that holds in the real file: *if* some columns, *then* others.

    An encounter whose every column of ``condition`` holds one of its values must hold one of
    ``values`` in each of ``columns``. An encounter that does not is set aside.
    """

    name: str
    condition: Mapping[str, tuple[str | int, ...]]
    columns: tuple[str, ...]
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of an encounter, in file order, and the rules across them."""

    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Raw column names in file order."""
        return tuple(column.name for column in self.columns)

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that a model may see."""
        return tuple(column for column in self.columns if column.is_feature)

    @property
    def drugs(self) -> tuple[str, ...]:
        """The 23 diabetes drugs, in file order."""
        first, last = self.names.index("metformin"), self.names.index("metformin-pioglitazone")
        return self.names[first : last + 1]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the columns as a bundle carries them; rules are ingest's alone."""
        return [column.to_json() for column in self.columns]

    @classmethod
    def from_json(cls, data: list[Mapping[str, Any]]) -> Schema:
        """Build a schema from :meth:`to_json`'s form."""
        return cls(tuple(Column.from_json(column) for column in data))


HISTORY = (
    "history_encounters",
    "history_days",
    "history_discharge_disposition_id",
    "history_interval",
    "history_number_inpatient_change",
)
"""What is known of a patient's earlier encounters: how many, their days in hospital, how the last
one ended, by how much its ``encounter_id`` is lower, and by how much its ``number_inpatient`` was.
No column of the file: ingest joins them, a request may carry them; 0 in all of them is no history.
"""


@cache
def encounter_schema(*, history: bool = False) -> Schema:
    """Return the schema of the dataset: 50 columns, of which 47 are features.

    Args:
        history: with the columns of :data:`HISTORY`, all of them features.
    """
    text = resources.files("components.schema").joinpath("encounters.json").read_text("utf-8")
    data = json.loads(text)
    columns = Schema.from_json(data["columns"])
    rules = tuple(_rule(rule, columns.drugs) for rule in data["rules"])
    extra = Schema.from_json(data["history"]).columns if history else ()
    return Schema((*columns.columns, *extra), rules)


def _rule(data: Mapping[str, Any], drugs: tuple[str, ...]) -> Rule:
    return Rule(
        name=data["name"],
        condition={name: tuple(values) for name, values in data["if"].items()},
        columns=drugs if data["columns"] == "drugs" else tuple(data["columns"]),
        values=tuple(data["values"]),
    )
