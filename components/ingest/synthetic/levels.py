"""How the raw columns become the variables of the synthetic cohort, and their levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.ingest.synthetic.sampling import Ints
from components.ingest.synthetic.tables import THERAPY
from components.schema import MISSING, Kind, encounter_schema

Texts = NDArray[Any]
"""A column of strings, shape (rows,)."""

SMALLEST_CELL = 10
"""Counts below this are not published: no aggregate describes fewer than ten encounters."""

BIN_SHARE = {"num_lab_procedures": 0.05, "num_medications": 0.05}
"""Least share of the encounters in a bin of a number; elsewhere half a per cent."""

ICD9_SHARE = 0.006
"""Least share of the encounters with which a three-digit ICD-9 category is a level of its own."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A variable read from the real file.

    ``values`` are the publishable raw values, ``level`` and ``count`` theirs; ``rows`` holds each
    encounter's level, and ``cells`` its place in ``values``, -1 where that is suppressed. Values of
    a level stand side by side.
    """

    values: tuple[str | int, ...]
    level: Ints
    count: Ints
    rows: Ints
    cells: Ints

    @property
    def levels(self) -> int:
        """Number of levels."""
        return int(self.level.max()) + 1


def code_columns(raw: Mapping[str, Texts]) -> dict[str, Coded]:
    """Code every column that the mixture models, in file order, then the joint therapy."""
    schema, coded = encounter_schema(), {}
    for column in schema.features:
        name = column.name
        if column.kind is Kind.NUMBER:
            coded[name] = _number(raw[name].astype(np.int64), BIN_SHARE.get(name, 0.005))
        elif column.kind is Kind.ICD9:
            coded[name] = _coded(raw[name], _icd9_level(raw[name]))
        elif column.kind is Kind.CODE:
            coded[name] = _coded(raw[name].astype(np.int64), str)
        elif name not in (*schema.drugs, "change", "diabetesMed"):
            coded[name] = _coded(raw[name], str)
    domain = schema["age"].values
    coded["age"] = _in_order(coded["age"], domain)
    coded[THERAPY] = _coded(_therapies(raw), _therapy_level)
    return coded


def _coded(column: NDArray[Any], level_of: Callable[[Any], str]) -> Coded:
    """Code a column of categories; values in fewer than ten rows follow the commonest."""
    found, index, count = np.unique(column, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(count >= SMALLEST_CELL)
    names = [level_of(value) for value in found]
    order = sorted({names[i] for i in kept})
    commonest = names[int(count.argmax())]
    level = np.array([order.index(n if n in order else commonest) for n in names])
    kept = kept[np.argsort(level[kept], kind="stable")]
    place = np.full(found.size, -1)
    place[kept] = np.arange(kept.size)
    values = tuple(found[kept].tolist())
    return Coded(values, level[kept], count[kept], level[index], place[index])


def _in_order(coded: Coded, domain: tuple[str | int, ...]) -> Coded:
    """Number levels of one value each in the schema's order, which ageing relies on."""
    rank = np.argsort(np.argsort([domain.index(value) for value in coded.values]))
    return Coded(
        tuple(coded.values[i] for i in np.argsort(rank)),
        np.arange(rank.size),
        coded.count[np.argsort(rank)],
        rank[coded.rows],
        rank[coded.cells],
    )


def _number(column: Ints, share: float) -> Coded:
    """Bin a count: consecutive values join until they hold ``share`` of the encounters."""
    found, count = np.unique(column, return_counts=True)
    kept, kept_count = found[count >= SMALLEST_CELL], count[count >= SMALLEST_CELL]
    level, held = np.zeros(kept.size, dtype=np.int64), 0
    for i in range(kept.size - 1):
        held += int(kept_count[i])
        full = held >= share * column.size and kept_count[i + 1 :].sum() >= share * column.size
        level[i + 1] = level[i] + full
        held = 0 if full else held
    nearest = np.abs(column[:, None] - kept).argmin(axis=1)
    return Coded(tuple(kept.tolist()), level, kept_count, level[nearest], nearest)


def _chapter(code: str) -> str:
    """Return the ICD-9 chapter, by its first number, or the letter of a supplementary code."""
    if not code[0].isdigit():
        return code[0]
    starts = (1, 140, 240, 280, 290, 320, 390, 460, 520, 580, 630, 680, 710, 740, 780, 800)
    return f"from {max((s for s in starts if s <= int(float(code))), default=1)}"


def _icd9_level(column: Texts) -> Callable[[str], str]:
    """Return the level of a code: its category if common, else its chapter."""
    found, count = np.unique(column, return_counts=True)
    total: dict[str, int] = {}
    for code, n in zip(found.tolist(), count.tolist(), strict=True):
        total[code.split(".")[0]] = total.get(code.split(".")[0], 0) + n
    common = {c for c, n in total.items() if n >= ICD9_SHARE * column.size} | {MISSING}
    return lambda code: code.split(".")[0] if code.split(".")[0] in common else _chapter(code)


def _therapies(raw: Mapping[str, Texts]) -> Texts:
    """Join ``change`` and the drugs that are not ``No`` as ``change|drug:dose|...``."""
    joined = raw["change"].astype(object)
    for drug in encounter_schema().drugs:
        on = raw[drug] != "No"
        joined[on] = joined[on] + f"|{drug}:" + raw[drug][on].astype(object)
    return joined.astype(str)


def _therapy_level(therapy: str) -> str:
    """Name a therapy's level: change, insulin, and what is given by mouth."""
    change, *parts = therapy.split("|")
    doses = dict(part.split(":") for part in parts)
    insulin = doses.pop("insulin", "No")
    metformin = "metformin" in "".join(doses)
    moved = bool({"Up", "Down"} & set(doses.values()))
    return f"{change} {insulin} {min(len(doses), 2)} {metformin} {moved}"
