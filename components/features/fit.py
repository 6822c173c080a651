"""Fit the encoder on the training rows: which levels are frequent enough to stand alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from components.features import icd9
from components.features.encoder import Block, Combine, Encoder, Key, Vector
from components.schema import MISSING, Column, Kind, Schema

RARE_SHARE = 0.005
"""A level below this share of the training rows is folded into "other"."""

_ORDINAL = ("age", "weight", "max_glu_serum", "A1Cresult")
_DRUG_STATES: dict[str, Vector] = {
    "No": (0.0, 0.0, 0.0),
    "Down": (1.0, 0.0, 1.0),
    "Steady": (1.0, 0.0, 0.0),
    "Up": (1.0, 1.0, 0.0),
}


def fit_encoder(train: pa.Table, schema: Schema) -> Encoder:
    """Fit an encoder on the training rows alone.

    Args:
        train: raw encounters, the columns of ``schema``; neither label nor identifiers are read.
        schema: the schema that the rows passed.
    """
    counts = {column.name: _counts(train, column.name) for column in schema.features}
    rare = max(1, math.ceil(RARE_SHARE * train.num_rows))
    blocks = [
        block for column in schema.features for block in _blocks(column, counts, schema, rare)
    ]
    blocks.append(_drug_totals(schema))
    blocks.append(_diagnoses_anywhere(schema, counts, rare))
    known = {c.name: frozenset(counts[c.name]) for c in schema.features if _is_open(c)}
    return Encoder(tuple(blocks), known)


def _is_open(column: Column) -> bool:
    return column.open or column.kind is Kind.ICD9


def _counts(table: pa.Table, name: str) -> Counter[str]:
    counted = table[name].value_counts()
    return Counter({str(entry["values"]): entry["counts"] for entry in counted.to_pylist()})


def _blocks(
    column: Column, counts: dict[str, Counter[str]], schema: Schema, rare: int
) -> Iterable[Block]:
    seen = counts[column.name]
    if column.kind is Kind.NUMBER:
        yield _number(column)
    elif column.kind is Kind.ICD9:
        yield _chapters(column)
    elif column.name in _ORDINAL:
        yield _ordinal(column)
    elif column.name not in schema.drugs:
        yield _levels(column, seen, rare)
    elif sum(seen.values()) - seen["No"] >= rare:
        yield _ordinal(column)


def _number(column: Column) -> Block:
    """Give the number and its logarithm: counts are skewed, and linear models need the second."""
    span = range(column.minimum, column.maximum + 1)
    return Block(
        outputs=(column.name, f"log1p({column.name})"),
        sources=(column.name,),
        table={str(n): (float(n), math.log1p(n)) for n in span},
    )


def _ordinal(column: Column) -> Block:
    table = {str(v): (float(rank), 0.0) for rank, v in enumerate(column.values)}
    if column.missing:
        table[MISSING] = (0.0, 1.0)
        return Block((column.name, f"{column.name}={MISSING}"), (column.name,), table)
    return Block((column.name,), (column.name,), {key: (v[0],) for key, v in table.items()})


def _levels(column: Column, seen: Counter[str], rare: int) -> Block:
    """One column a frequent level, one for all others; missing is a level of its own."""
    levels = sorted(value for value, count in seen.items() if count >= rare)
    return Block(
        outputs=(*(f"{column.name}={level}" for level in levels), f"{column.name}=other"),
        sources=(column.name,),
        table={level: _one_hot(rank, len(levels) + 1) for rank, level in enumerate(levels)},
        other=_one_hot(len(levels), len(levels) + 1),
    )


def _chapters(column: Column) -> Block:
    size = len(icd9.CHAPTERS)
    return Block(
        outputs=tuple(f"{column.name}={chapter}" for chapter in icd9.CHAPTERS),
        sources=(column.name,),
        table={chapter: _one_hot(rank, size) for rank, chapter in enumerate(icd9.CHAPTERS)},
        key=Key.CHAPTER,
    )


def _diagnoses_anywhere(schema: Schema, counts: dict[str, Counter[str]], rare: int) -> Block:
    """Flag each frequent three-digit category, in whichever of the diagnoses it stands."""
    columns = tuple(c.name for c in schema.features if c.kind is Kind.ICD9)
    pooled: Counter[str] = Counter()
    for name in columns:
        for code, count in counts[name].items():
            pooled[icd9.category(code)] += count
    frequent = sorted(c for c, count in pooled.items() if count >= rare and c != MISSING)
    return Block(
        outputs=tuple(f"diag_any={category}" for category in frequent),
        sources=columns,
        table={category: _one_hot(rank, len(frequent)) for rank, category in enumerate(frequent)},
        other=(0.0,) * len(frequent),
        key=Key.CATEGORY,
        combine=Combine.MAX,
    )


def _drug_totals(schema: Schema) -> Block:
    return Block(
        outputs=("drugs_on", "drugs_up", "drugs_down"),
        sources=schema.drugs,
        table=_DRUG_STATES,
    )


def _one_hot(position: int, size: int) -> Vector:
    return tuple(1.0 if index == position else 0.0 for index in range(size))
