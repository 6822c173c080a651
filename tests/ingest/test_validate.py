from __future__ import annotations

import pyarrow as pa
import pytest
from builders import checked, random_rows, rows_table, text_batches
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.ingest.validate import Validator
from components.schema import Column, Level, encounter_schema

ROWS = 60
MAY_BE_MISSING = {
    "race", "weight", "payer_code", "medical_specialty", "diag_1", "diag_2", "diag_3",
}  # fmt: skip
Changes = dict[tuple[str, int], str]


def batches(changes: Changes, size: int = ROWS) -> list[pa.RecordBatch]:
    """Return valid encounters as a reader gives them, some cells changed; rows count from 1."""
    columns = rows_table(random_rows(ROWS, seed=5)).to_pydict()
    text = {name: [str(value) for value in values] for name, values in columns.items()}
    for (name, row), value in changes.items():
        text[name][row - 1] = value
    return text_batches(pa.table(text), size)


def validated(changes: Changes, size: int = ROWS) -> pa.Table:
    return checked(batches(changes, size), "encounters.csv")[0]


def refusal(changes: Changes, size: int = ROWS) -> str:
    with pytest.raises(InputError) as refused:
        validated(changes, size)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_valid_encounters_come_back_typed_and_unchanged() -> None:
    table = validated({}, size=7)
    schema = encounter_schema()
    assert tuple(table.column_names) == schema.names
    for column in schema:
        kind = table.schema.field(column.name).type
        assert kind == (pa.int64() if column.is_integer else pa.dictionary(pa.int32(), pa.string()))
    assert table.to_pydict() == rows_table(random_rows(ROWS, seed=5)).to_pydict()


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", "[100-110)", "one of [0-10), [10-20)"),
        ("gender", "female", "one of Female, Male"),
        ("gender", "", "one of Female, Male"),
        ("readmitted", "YES", "one of NO, >30, <30"),
        ("insulin", "Stopped", "one of No"),
        ("time_in_hospital", "15", "an integer from 1 to 14"),
        ("time_in_hospital", "0", "an integer from 1 to 14"),
        ("time_in_hospital", "3.0", "an integer from 1 to 14"),
        ("time_in_hospital", "three", "an integer from 1 to 14"),
        ("time_in_hospital", " 3", "an integer from 1 to 14"),
        ("time_in_hospital", "٣", "an integer from 1 to 14"),
        ("num_procedures", "-1", "an integer from 0 to 6"),
        ("admission_type_id", "9", "one of 1, 2"),
        ("patient_nbr", "0", "an integer from 1 to 9007199254740991"),
        ("patient_nbr", "9007199254740992", "an integer from 1 to 9007199254740991"),
        ("patient_nbr", "9" * 40, "an integer from 1 to 9007199254740991"),
        ("diag_1", "250.831", "an ICD-9 code such as 250.83"),
        ("diag_1", "e885", "an ICD-9 code such as 250.83"),
        ("payer_code", "", "a text of 1 to 80 characters"),
        ("payer_code", "x" * 81, "a text of 1 to 80 characters"),
    ],
)
def test_a_value_outside_its_column_is_refused_by_column_value_and_row(
    column: str, value: str, expected: str
) -> None:
    message = refusal({(column, 4): value})
    assert message.startswith(
        f"encounters.csv: column {column!r}: 1 values refused, first in row 4: {value[:40]!r} (1x)"
    )
    assert f"; {column} takes {expected}" in message


def test_refused_values_are_counted_and_the_first_three_shown() -> None:
    wrong = {3: "a", 5: "b", 6: "a", 9: "c", 11: "d", 12: "e"}
    message = refusal({("race", row): value for row, value in wrong.items()})
    assert (
        "column 'race': 6 values refused, first in row 3: 'a' (2x), 'b' (1x), 'c' (1x) and 2 more"
    ) in message


@pytest.mark.parametrize("size", [1, 10, ROWS])
def test_rows_are_numbered_through_all_batches(size: int) -> None:
    message = refusal({("age", 37): "old", ("age", 58): "old"}, size)
    assert "2 values refused, first in row 37: 'old' (2x)" in message


def test_several_columns_are_named_in_one_message() -> None:
    message = refusal({("age", 2): "old", ("race", 3): "x", ("number_inpatient", 1): "few"})
    for part in ("'age': 1 values", "'race': 1 values", "'number_inpatient': 1 values"):
        assert part in message


def test_of_many_columns_the_first_are_shown_and_the_others_counted() -> None:
    message = refusal({(drug, 1): "x" for drug in encounter_schema().drugs})
    assert message.count("values refused") == 3
    assert "and 20 more columns" in message


def test_thousands_of_different_refused_values_are_all_counted() -> None:
    (batch,) = batches({})
    many = pa.Table.from_batches([batch] * 50)
    many = many.set_column(2, "race", pa.array([f"race {i}" for i in range(many.num_rows)]))
    with pytest.raises(InputError, match="column 'race': 3000 values refused, first in row 1:"):
        checked(many.to_batches(), "encounters.csv")


def test_a_patient_may_stand_twice() -> None:
    assert validated({("patient_nbr", 4): "7"})["patient_nbr"].to_pylist().count(7) == 2


def test_missing_values_are_allowed_where_the_schema_says() -> None:
    assert {column.name for column in encounter_schema() if column.missing} == MAY_BE_MISSING


@pytest.mark.parametrize("column", encounter_schema().names)
def test_a_missing_value_is_refused_everywhere_else(column: str) -> None:
    if column in MAY_BE_MISSING:
        assert validated({(column, 2): "?"})[column][1].as_py() == "?"
    else:
        assert f"column {column!r}: 1 values refused" in refusal({(column, 2): "?"})


def test_none_is_a_value_of_the_two_tests_and_of_no_other_closed_column() -> None:
    table = validated({("max_glu_serum", 1): "None", ("A1Cresult", 1): "None"})
    assert table["max_glu_serum"][0].as_py() == table["A1Cresult"][0].as_py() == "None"
    assert "'None' (1x)" in refusal({("race", 1): "None"})


def test_no_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"encounters\.csv: holds a header and no rows"):
        checked([], "encounters.csv")


def test_unlisted_values_of_open_columns_pass_and_are_counted() -> None:
    payers = dict.fromkeys(range(1, ROWS + 1), "MC") | {3: "new", 4: "newer", 5: "new", 6: "?"}
    specialties = dict.fromkeys(range(1, ROWS + 1), "?") | {8: "Astrology"}
    validator = Validator(encounter_schema())
    for batch in batches(
        {("payer_code", row): value for row, value in payers.items()}
        | {("medical_specialty", row): value for row, value in specialties.items()},
        size=7,
    ):
        validator.check(batch)
    assert validator.unlisted == {"payer_code": 3, "medical_specialty": 1}
    assert validator.missing["payer_code"] == 1
    assert validator.missing["medical_specialty"] == ROWS - 1


def test_only_what_is_one_encounters_trouble_sets_a_row_aside() -> None:
    lenient = {column.name for column in encounter_schema() if column.level is Level.QUARANTINE}
    assert lenient == {
        "time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications",
        "number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses",
        "diag_1", "diag_2", "diag_3", "payer_code", "medical_specialty",
    }  # fmt: skip


ASIDE: dict[str, Changes] = {
    "time_in_hospital takes an integer from 1 to 14": {("time_in_hospital", 4): "15"},
    "diag_1 takes an ICD-9 code such as 250.83, V57 or E885": {("diag_1", 4): "e885"},
    "payer_code takes a text of 1 to 80 characters": {("payer_code", 4): ""},
    "gender is known": {("gender", 4): "Unknown/Invalid"},
    "no second diagnosis of one": {
        ("number_diagnoses", 4): "1", ("diag_2", 4): "401", ("diag_3", 4): "?",
    },
    "no third diagnosis of two": {("number_diagnoses", 4): "2", ("diag_3", 4): "401"},
    "no drug without diabetesMed": {
        ("diabetesMed", 4): "No", ("change", 4): "Ch", ("insulin", 4): "Steady",
    },
    "no dose changed without change": {
        ("change", 4): "No", ("diabetesMed", 4): "Yes", ("insulin", 4): "Up",
        ("metformin-pioglitazone", 4): "Steady",
    },
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, ROWS])
@pytest.mark.parametrize("rule", ASIDE)
def test_a_row_that_breaks_a_rule_is_set_aside_as_it_was_with_its_number_and_the_rule(
    rule: str, size: int
) -> None:
    changed = batches(ASIDE[rule], size)
    good, aside = checked(changed, "encounters.csv", most_aside=0.1)
    assert good.num_rows == ROWS - 1
    assert 4 not in good["encounter_id"].to_pylist()
    (row,) = aside.to_pylist()
    assert (row.pop("row"), row.pop("rules")) == (4, rule)
    assert row == pa.Table.from_batches(changed).to_pylist()[3]


def test_a_row_that_breaks_several_rules_names_them_all_and_counts_once() -> None:
    changes = ASIDE["gender is known"] | ASIDE["time_in_hospital takes an integer from 1 to 14"]
    good, aside = checked(batches(changes), "encounters.csv", most_aside=0.1)
    assert (good.num_rows, aside.num_rows) == (ROWS - 1, 1)
    rules = "time_in_hospital takes an integer from 1 to 14; gender is known"
    assert aside["rules"].to_pylist() == [rules]


@pytest.mark.parametrize(("most", "passes"), [(0.0, False), (0.049, False), (0.05, True)])
def test_a_file_is_refused_above_the_share_of_rows_set_aside(most: float, passes: bool) -> None:
    three = {("gender", row): "Unknown/Invalid" for row in (9, 20, 33)}
    if passes:
        assert checked(batches(three), "encounters.csv", most)[1].num_rows == 3
    else:
        with pytest.raises(InputError) as refused:
            checked(batches(three), "encounters.csv", most)
        assert "rule 'gender is known': broken by 3 rows, first by row 9" in str(refused.value)
        assert f"3 of 60 rows would be set aside, more than {most:.2%}" in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value"),
    [("age", "old"), ("readmitted", "YES"), ("patient_nbr", "x"), ("num_procedures", "none")],
)
def test_a_wrong_type_or_a_value_of_no_closed_list_refuses_the_file_whatever_the_share(
    column: str, value: str
) -> None:
    with pytest.raises(InputError, match=f"column {column!r}: 1 values refused, first in row 8"):
        checked(batches({(column, 8): value}), "encounters.csv", most_aside=1.0)


@given(st.sampled_from(encounter_schema().features), st.text(max_size=90) | st.integers().map(str))
@settings(max_examples=200, deadline=None)
def test_any_text_is_taken_as_it_is_set_aside_or_refused_by_column(
    column: Column, text: str
) -> None:
    digits = text.isascii() and text.removeprefix("-").isdigit()
    value = int(text) if column.is_integer and digits else text
    changed = batches({(column.name, 2): text})
    validator = Validator(encounter_schema())
    (batch,) = changed
    found = validator.check(batch)
    if found is None:
        assert not column.accepts(value)
        assert f"column {column.name!r}: 1 values refused, first in row 2" in str(validator.refused)
    elif found.aside.num_rows:
        assert found.aside[column.name].to_pylist() == [text]
    else:
        assert column.accepts(value)
        assert found.good[column.name][1].as_py() == value
