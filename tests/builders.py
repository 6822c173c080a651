"""What many tests build: valid encounters, tables of them, and a small bundle."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.features.fit import fit_encoder
from components.ingest.reader import encoded
from components.ingest.validate import Validator
from components.registry.bundle import Bundle, Facts, load_bundle, write_bundle
from components.schema import MISSING, Column, Kind, encounter_schema
from components.schema.columns import ICD9

Row = dict[str, int | str]
LABELS = ("NO", ">30", "<30")
_CODES = ("250", "250.83", "250.6", "401", "414", "428", "486", "780", "V57", "E885", "996.2")


def random_rows(n: int, seed: int) -> list[Row]:
    """Return ``n`` valid encounters without identifiers and label; where allowed, some are "?".

    They keep the rules across columns.
    """
    draw = random.Random(seed)
    columns = encounter_schema().features
    rows = [{column.name: _value(column, draw) for column in columns} for _ in range(n)]
    for row in rows:
        _keep_rules(row)
    return rows


def encounters() -> st.SearchStrategy[Row]:
    """Return a strategy of valid encounters, unseen values and odd codes among them."""
    columns = encounter_schema().features
    return st.fixed_dictionaries({column.name: _values(column) for column in columns})


def labels(rows: Sequence[Mapping[str, int | str]], seed: int) -> list[str]:
    """Return a label for each row: likelier readmitted after earlier stays."""
    draw = random.Random(seed)
    return [draw.choice(LABELS) if int(row["number_inpatient"]) > 10 else "NO" for row in rows]


def rows_table(
    rows: Sequence[Mapping[str, int | str]], readmitted: Sequence[str] | None = None
) -> pa.Table:
    """Return encounters as ingest writes them: all 50 columns, int64 and string.

    Identifiers count up from 1; the label is ``NO`` unless ``readmitted`` gives it.
    """
    numbers = list(range(1, len(rows) + 1))
    extra: dict[str, Sequence[int | str]] = {
        "encounter_id": numbers,
        "patient_nbr": numbers,
        "readmitted": readmitted if readmitted is not None else ["NO"] * len(rows),
    }
    return pa.table(
        {
            column.name: pa.array(
                extra.get(column.name) or [row[column.name] for row in rows],
                pa.int64() if column.is_integer else pa.string(),
            )
            for column in encounter_schema()
        }
    )


def text_batches(table: pa.Table, size: int = 1000) -> list[pa.RecordBatch]:
    """Return encounters as the reader yields them, ``size`` rows a batch."""
    return [encoded(batch, encounter_schema()) for batch in table.to_batches(max_chunksize=size)]


def checked(
    batches: Iterable[pa.RecordBatch], where: str, most_aside: float = 0.01
) -> tuple[pa.Table, pa.Table]:
    """Return a file's good rows, typed, and those set aside; raise what refuses the file."""
    validator = Validator(encounter_schema())
    parts = [part for batch in batches if (part := validator.check(batch))]
    validator.conclude(where, most_aside)
    good, aside = ([getattr(part, name) for part in parts] for name in ("good", "aside"))
    return pa.Table.from_batches(good), pa.Table.from_batches(aside)


def tiny_encoder(seed: int = 0) -> Encoder:
    """Return an encoder fitted on 600 random encounters."""
    rows = random_rows(600, seed)
    truth = np.array([label != "NO" for label in labels(rows, seed)], dtype=np.int8)
    return fit_encoder(rows_table(rows), truth, encounter_schema()).encoder


def tiny_bundle(directory: Path, seed: int = 0, encoder: Encoder | None = None) -> Bundle:
    """Fit a logistic regression on 600 random encounters; write and load its bundle.

    Another seed gives another model and so another digest. The encoder is ``tiny_encoder`` unless
    another is given.
    """
    rows = random_rows(600, seed)
    encoder = encoder or tiny_encoder(seed)
    target = np.array([label != "NO" for label in labels(rows, seed)], dtype=np.int64)
    model = _model(encode_table(encoder, rows_table(rows)), target)
    bundle = Bundle(encounter_schema(), encoder, facts(len(rows)), model)
    write_bundle(bundle, random_rows(8, seed + 1), directory)
    return load_bundle(directory)


def facts(rows: int, family: str = "logistic_regression") -> Facts:
    """Return what a bundle says of a model of synthetic rows."""
    return Facts(
        target="any",
        threshold=0.3,
        family=family,
        parameters={"C": 1.0},
        source="file:///synthetic.csv",
        synthetic=True,
        data_sha256="0" * 64,
        rows=rows,
        batch=0,
        run_id="test",
        created="2024-01-01T00:00:00Z",
        commit="unknown",
        libraries={},
    )


def _model(matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]], target: object) -> bytes:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(matrix, target)
    exported = to_onnx(pipeline, matrix[:1], options={"zipmap": False})
    content: bytes = exported.SerializeToString()
    return content


def _value(column: Column, draw: random.Random) -> int | str:
    if column.missing and draw.random() < 0.2:
        return MISSING
    if column.kind is Kind.NUMBER:
        return draw.randint(column.minimum, column.maximum)
    return draw.choice(_CODES if column.kind is Kind.ICD9 else column.values)


def _keep_rules(row: Row) -> None:
    """Change as little as the rules across columns ask for."""
    drugs = encounter_schema().drugs
    for drug in drugs:
        if row["change"] == "No" and row[drug] != "No":
            row[drug] = "Steady"
    row["diabetesMed"] = "Yes" if any(row[drug] != "No" for drug in drugs) else "No"
    row["gender"] = "Male" if row["gender"] == "Unknown/Invalid" else row["gender"]
    for name, number in (("diag_2", 2), ("diag_3", 3)):
        row[name] = MISSING if int(row["number_diagnoses"]) < number else row[name]


def _values(column: Column) -> st.SearchStrategy[int | str]:
    if column.kind is Kind.NUMBER:
        return st.integers(column.minimum, column.maximum)
    strategies: list[st.SearchStrategy[int | str]] = [
        st.from_regex(ICD9, fullmatch=True)
        if column.kind is Kind.ICD9
        else st.sampled_from(column.values)
    ]
    if column.missing:
        strategies.append(st.just(MISSING))
    if column.open:
        strategies.append(st.text(min_size=1, max_size=80))
    return st.one_of(strategies)
