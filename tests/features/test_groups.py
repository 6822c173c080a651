from __future__ import annotations

import itertools

import pytest
from builders import random_rows, tiny_encoder

from components.features.groups import (
    COMORBIDITIES,
    DIABETES_FLAGS,
    ID_GROUPS,
    diabetes_codes,
    diabetes_flags,
)
from components.schema import encounter_schema


@pytest.mark.parametrize("column", ID_GROUPS)
def test_a_code_is_in_at_most_one_group_and_the_schema_knows_it(column: str) -> None:
    groups = ID_GROUPS[column]
    for one, other in itertools.combinations(groups.values(), 2):
        assert not one & other
    assert {str(code) for codes in groups.values() for code in codes} <= {
        str(value) for value in encounter_schema()[column].values
    }


@pytest.mark.parametrize("column", ["admission_type_id", "discharge_disposition_id"])
def test_every_code_of_a_closed_key_is_in_a_group_but_the_few_that_say_nothing(column: str) -> None:
    grouped = {str(code) for codes in ID_GROUPS[column].values() for code in codes}
    assert {str(value) for value in encounter_schema()[column].values} - grouped <= {"4"}


def test_a_category_is_in_at_most_one_comorbidity() -> None:
    for one, other in itertools.combinations(COMORBIDITIES.values(), 2):
        assert not one & other


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        ("250", set()),
        ("250.0", set()),
        ("250.01", {"type_1"}),
        ("250.13", {"acute", "type_1", "uncontrolled"}),
        ("250.42", {"renal", "uncontrolled"}),
        ("250.6", {"nerve"}),
        ("250.81", {"other", "type_1"}),
    ],
)
def test_the_digits_of_a_diabetes_code_say_complication_type_and_control(
    code: str, flags: set[str]
) -> None:
    found = {name for name, flag in zip(DIABETES_FLAGS, diabetes_flags(code), strict=True) if flag}
    assert found == flags
    assert code in set(diabetes_codes())


def test_flags_are_set_wherever_the_diagnosis_stands() -> None:
    row = {**random_rows(1, seed=1)[0], "diag_1": "V57", "diag_2": "428", "diag_3": "250.42"}
    encoder = tiny_encoder()
    encoded = dict(zip(encoder.outputs, encoder.encode_row(row), strict=True))
    on = {name for name, value in encoded.items() if value == 1.0 and "=" in name}
    assert {"comorbidity=heart_failure", "diabetes=renal", "diabetes=uncontrolled"} <= on
    assert not on & {"comorbidity=renal", "diabetes=type_1"}


def test_visits_before_are_summed_over_their_kinds() -> None:
    row = {
        **random_rows(1, seed=1)[0],
        "number_outpatient": 2,
        "number_emergency": 3,
        "number_inpatient": 5,
    }
    encoder = tiny_encoder()
    assert encoder.encode_row(row)[encoder.outputs.index("visits_before")] == 10.0
