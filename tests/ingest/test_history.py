from __future__ import annotations

import numpy as np
import pyarrow as pa
from builders import random_rows, rows_table
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.history import History, with_history
from components.ingest.validate import arrow_schema
from components.schema import HISTORY, encounter_schema

Known = tuple[int, ...]


def encounters(rows: int, patients: int, seed: int) -> pa.Table:
    """Return encounters of patients who return, ascending by ``encounter_id``."""
    rng = np.random.default_rng(seed)
    table = rows_table(random_rows(rows, seed % 1000))
    ids = np.sort(rng.choice(10**6, rows, replace=False)) + 1
    table = table.set_column(0, "encounter_id", pa.array(ids))
    return table.set_column(1, "patient_nbr", pa.array(rng.integers(1, patients + 1, rows)))


def joined(table: pa.Table, size: int) -> list[Known]:
    history = History()
    pieces = [history.join(table.slice(at, size)) for at in range(0, table.num_rows, size)]
    columns = [pa.concat_tables(pieces)[name].to_pylist() for name in HISTORY]
    return list(zip(*columns, strict=True))


def one_by_one(table: pa.Table) -> list[Known]:
    """Return the same, by remembering each patient's earlier rows."""
    earlier: dict[int, list[dict[str, int]]] = {}
    found: list[Known] = []
    for row in table.to_pylist():
        past = earlier.setdefault(row["patient_nbr"], [])
        found.append(
            (
                len(past),
                sum(stay["time_in_hospital"] for stay in past),
                past[-1]["discharge_disposition_id"],
                row["encounter_id"] - past[-1]["encounter_id"],
                row["number_inpatient"] - past[-1]["number_inpatient"],
            )
            if past
            else (0,) * len(HISTORY)
        )
        past.append(row)
    return found


@given(st.integers(1, 120), st.integers(1, 40), st.integers(1, 130), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_history_is_that_of_the_same_patients_earlier_encounters_however_the_file_is_cut(
    rows: int, patients: int, size: int, seed: int
) -> None:
    table = encounters(rows, patients, seed)
    assert joined(table, size) == one_by_one(table)


@given(st.integers(2, 80), st.integers(1, 10), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_what_comes_later_and_what_it_ends_in_changes_no_history(
    rows: int, patients: int, seed: int
) -> None:
    table = encounters(rows, patients, seed)
    early = table.slice(0, rows // 2)
    assert joined(early, rows) == joined(table, rows)[: rows // 2]
    turned = table.set_column(
        table.column_names.index("readmitted"), "readmitted", pa.array(["<30"] * rows)
    )
    assert joined(turned, rows) == joined(table, rows)


def test_a_history_longer_than_the_schema_allows_is_cut_to_its_maximum() -> None:
    schema = encounter_schema(history=True)
    found = joined(encounters(400, 1, seed=1), 100)[-1]
    assert found[0] == schema["history_encounters"].maximum == 200
    assert found[1] == min(schema["history_days"].maximum, 2000)
    assert all(schema[name].accepts(value) for name, value in zip(HISTORY, found, strict=True))


def test_the_columns_stand_behind_those_of_the_file() -> None:
    schema = encounter_schema()
    extended = with_history(arrow_schema(schema))
    assert tuple(extended.names) == (*schema.names, *HISTORY)
    assert tuple(encounter_schema(history=True).names) == tuple(extended.names)
    assert not set(HISTORY) & set(schema.names)
