"""Fit the encoder on the training rows: frequent levels first, then the risk of each value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.features import icd9
from components.features.batch import Matrix, encode_table
from components.features.block import Block, Combine, Key, Vector
from components.features.encoder import Encoder
from components.features.groups import (
    COMORBIDITIES,
    DIABETES_FLAGS,
    ID_GROUPS,
    diabetes_codes,
    diabetes_flags,
)
from components.features.row import side_by_side
from components.features.statistics import FOLDS, TargetStatistics, patient_folds
from components.schema import MISSING, Column, Kind, Schema

RARE_SHARE = 0.005
"""A level below this share of the training rows is folded into "other"."""
MOST_VALUES = 10_000
"""A number of more values than this is encoded by its magnitude."""

_VISITS = ("number_outpatient", "number_emergency", "number_inpatient")
_ORDINAL = ("age", "weight", "max_glu_serum", "A1Cresult")
_DRUG_STATES: dict[str, Vector] = {
    "No": (0.0, 0.0, 0.0),
    "Down": (1.0, 0.0, 1.0),
    "Steady": (1.0, 0.0, 0.0),
    "Up": (1.0, 1.0, 0.0),
}


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the training rows.

    Attributes:
        encoder: for every row that was not trained on.
        folds: the target statistics for the training rows of each fold of patients, from the
            other folds.
    """

    encoder: Encoder
    folds: tuple[Encoder, ...]

    def encode_training(self, train: pa.Table) -> Matrix:
        """Encode the training rows, or a part of them, into ``(rows, encoder.width)``."""
        matrix = encode_table(self.encoder, train)
        fold = patient_folds(train["patient_nbr"].to_numpy())
        columns = np.array([self.encoder.outputs.index(name) for name in self.folds[0].outputs])
        for number, statistics in enumerate(self.folds):
            rows = np.flatnonzero(fold == number)
            matrix[np.ix_(rows, columns)] = encode_table(statistics, train.take(pa.array(rows)))
        return matrix


def fit_encoder(train: pa.Table, labels: NDArray[np.int8], schema: Schema) -> Fitted:
    """Fit on the training rows alone.

    Args:
        train: raw encounters, the columns of ``schema``. Of the identifiers only the patient's is
            read, to keep a patient's encounters in one fold.
        labels: 0 or 1, shape ``(rows,)``; only the target statistics know them.
        schema: the schema that the rows passed.
    """
    plain, known = _plain_blocks(train, schema)
    statistics = TargetStatistics(train, labels, schema)
    return Fitted(
        Encoder(side_by_side((*plain, *statistics.blocks())), known),
        tuple(Encoder(statistics.blocks(fold), {}) for fold in range(FOLDS)),
    )


def _plain_blocks(train: pa.Table, schema: Schema) -> tuple[list[Block], dict[str, frozenset[str]]]:
    counts = {column.name: _counts(train, column.name) for column in schema.features}
    rare = max(1, math.ceil(RARE_SHARE * train.num_rows))
    blocks = [
        block for column in schema.features for block in _blocks(column, counts, schema, rare)
    ]
    diagnoses = tuple(c.name for c in schema.features if c.kind is Kind.ICD9)
    blocks += [_drug_totals(schema), _utilisation(schema)]
    blocks += [_comorbidities(diagnoses), _diabetes(diagnoses)]
    known = {c.name: frozenset(counts[c.name]) for c in schema.features if _is_open(c)}
    return blocks, known


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
    elif column.name in ID_GROUPS:
        yield _levels(column, seen, rare)
        yield _grouped(column)
    elif column.name in _ORDINAL:
        yield _ordinal(column)
    elif column.name not in schema.drugs:
        yield _levels(column, seen, rare)
    elif sum(seen.values()) - seen["No"] >= rare:
        yield _ordinal(column)


def _number(column: Column) -> Block:
    """Give the number and its logarithm: counts are skewed, and linear models need the second."""
    if column.maximum > MOST_VALUES:
        return _magnitude(column)
    span = range(column.minimum, column.maximum + 1)
    if column.minimum < 0:
        return Block((column.name,), (column.name,), {str(n): (float(n),) for n in span})
    return Block(
        outputs=(column.name, f"log1p({column.name})"),
        sources=(column.name,),
        table={str(n): (float(n), math.log1p(n)) for n in span},
    )


def _magnitude(column: Column) -> Block:
    """Give the number of binary digits where a table of all numbers would be too long."""
    span = range(column.minimum.bit_length(), column.maximum.bit_length() + 1)
    return Block(
        outputs=(f"log2({column.name})",),
        sources=(column.name,),
        table={str(digits): (float(digits),) for digits in span},
        key=Key.MAGNITUDE,
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


def _grouped(column: Column) -> Block:
    """One column a group of codes; rare codes count with those that mean the same."""
    groups = ID_GROUPS[column.name]
    return Block(
        outputs=tuple(f"{column.name}:{name}" for name in groups),
        sources=(column.name,),
        table={
            str(code): _one_hot(rank, len(groups))
            for rank, codes in enumerate(groups.values())
            for code in sorted(codes)
        },
        other=(0.0,) * len(groups),
    )


def _chapters(column: Column) -> Block:
    size = len(icd9.CHAPTERS)
    return Block(
        outputs=tuple(f"{column.name}={chapter}" for chapter in icd9.CHAPTERS),
        sources=(column.name,),
        table={chapter: _one_hot(rank, size) for rank, chapter in enumerate(icd9.CHAPTERS)},
        key=Key.CHAPTER,
    )


def _comorbidities(diagnoses: tuple[str, ...]) -> Block:
    size = len(COMORBIDITIES)
    return Block(
        outputs=tuple(f"comorbidity={name}" for name in COMORBIDITIES),
        sources=diagnoses,
        table={
            category: _one_hot(rank, size)
            for rank, categories in enumerate(COMORBIDITIES.values())
            for category in sorted(categories)
        },
        other=(0.0,) * size,
        key=Key.CATEGORY,
        combine=Combine.MAX,
    )


def _diabetes(diagnoses: tuple[str, ...]) -> Block:
    return Block(
        outputs=tuple(f"diabetes={name}" for name in DIABETES_FLAGS),
        sources=diagnoses,
        table={code: diabetes_flags(code) for code in diabetes_codes()},
        other=(0.0,) * len(DIABETES_FLAGS),
        combine=Combine.MAX,
    )


def _utilisation(schema: Schema) -> Block:
    """Count the visits of the year before, of whatever kind."""
    most = max(column.maximum for column in schema.features if column.name in _VISITS)
    return Block(
        outputs=("visits_before",),
        sources=_VISITS,
        table={str(n): (float(n),) for n in range(most + 1)},
    )


def _drug_totals(schema: Schema) -> Block:
    return Block(
        outputs=("drugs_on", "drugs_up", "drugs_down"),
        sources=schema.drugs,
        table=_DRUG_STATES,
    )


def _one_hot(position: int, size: int) -> Vector:
    return tuple(1.0 if index == position else 0.0 for index in range(size))
