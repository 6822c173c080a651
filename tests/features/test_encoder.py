from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from builders import Row, encounters, random_rows, rows_table, tiny_encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.schema import encounter_schema

BATCHES = st.lists(encounters(), min_size=1, max_size=5)


@cache
def encoder() -> Encoder:
    return tiny_encoder()


def encoded(row: Row) -> dict[str, float]:
    return dict(zip(encoder().outputs, encoder().encode_row(row), strict=True))


def changed(**values: int | str) -> Row:
    return {**random_rows(1, seed=1)[0], **values}


@given(BATCHES)
@settings(max_examples=100, deadline=None)
def test_rows_and_batches_are_encoded_alike_to_the_last_bit(rows: list[Row]) -> None:
    by_row = encoder().encode_rows(rows)
    by_batch = encode_table(encoder(), rows_table(rows))
    assert by_row.tobytes() == by_batch.tobytes()


def test_a_large_batch_is_encoded_as_its_rows_are() -> None:
    rows = random_rows(2000, seed=2)
    by_batch = encode_table(encoder(), rows_table(rows))
    assert by_batch.shape == (2000, encoder().width)
    assert by_batch.tobytes() == encoder().encode_rows(rows).tobytes()


def test_an_encoded_column_is_named_once() -> None:
    assert len(set(encoder().outputs)) == encoder().width


@given(BATCHES)
@settings(max_examples=50, deadline=None)
def test_an_encoder_read_from_json_encodes_the_same(rows: list[Row]) -> None:
    text = json.dumps(encoder().to_json(), allow_nan=False)
    again = Encoder.from_json(json.loads(text))
    assert again == encoder()
    assert again.encode_rows(rows).tobytes() == encoder().encode_rows(rows).tobytes()


def test_encoding_is_finite_for_every_allowed_value() -> None:
    rows = random_rows(500, seed=3)
    assert np.isfinite(encoder().encode_rows(rows)).all()


def test_an_unseen_level_is_encoded_as_other_and_named() -> None:
    row = changed(payer_code="ZZ", diag_1="999.9")
    assert encoded(row)["payer_code=other"] == 1.0
    assert encoder().unseen([row, row]) == {"diag_1": ["999.9"], "payer_code": ["ZZ"]}


def test_seen_levels_give_no_warning() -> None:
    assert encoder().unseen(random_rows(600, seed=0)) == {}


def test_a_value_outside_a_closed_column_is_an_error_not_a_zero() -> None:
    with pytest.raises(InputError, match="time_in_hospital"):
        encoder().encode_row(changed(time_in_hospital=15))


def test_an_absent_column_is_an_error_not_a_zero() -> None:
    row = {name: value for name, value in changed().items() if name != "age"}
    with pytest.raises(KeyError, match="age"):
        encoder().encode_row(row)


def test_not_measured_is_another_thing_than_missing() -> None:
    none, missing = changed(max_glu_serum="None", weight="?"), changed(max_glu_serum="Norm")
    assert encoded(none)["max_glu_serum"] == 0.0
    assert encoded(none)["weight=?"] == 1.0
    assert encoded(missing)["max_glu_serum"] == 1.0


def test_drugs_are_counted_by_what_was_done() -> None:
    drugs = encounter_schema().drugs
    row = changed(**dict.fromkeys(drugs, "No")) | {"insulin": "Up", "metformin": "Down"}
    totals = {name: encoded(row)[name] for name in ("drugs_on", "drugs_up", "drugs_down")}
    assert totals == {"drugs_on": 2.0, "drugs_up": 1.0, "drugs_down": 1.0}


def test_a_diagnosis_counts_once_wherever_it_stands() -> None:
    row = changed(diag_1="428", diag_2="585", diag_3="425")
    flags = {output: value for output, value in encoded(row).items() if "comorbidity=" in output}
    assert {output for output, value in flags.items() if value} == {
        "comorbidity=heart_failure",
        "comorbidity=renal",
    }
    assert set(flags.values()) == {0.0, 1.0}


def test_identifiers_and_the_label_are_never_read() -> None:
    assert encoder().sources.isdisjoint({"encounter_id", "patient_nbr", "readmitted"})
