from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from builders import encounters, rows_table
from drift.changes import replaced, shifted
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from components.drift.pair import Coded, Pair, one_a_patient, pair, uniform
from components.drift.statistics import ColumnDrift, Measure, column_drifts, psi
from components.schema import MISSING, Kind, encounter_schema

SCHEMA = encounter_schema()
ACT = 0.2
tables = st.lists(encounters(), min_size=1, max_size=12).map(rows_table)


def shares(bins: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(0.0, 1.0, width=16), min_size=bins, max_size=bins).filter(any)


def drifts(reference: pa.Table, batch: pa.Table) -> dict[str, ColumnDrift]:
    return {d.column: d for d in column_drifts(pair(reference, batch, SCHEMA))}


def numbers(drift: ColumnDrift) -> dict[str, float]:
    return {k: v for k, v in asdict(drift).items() if k not in ("column", "measure")}


@given(tables)
@settings(max_examples=25, deadline=None)
def test_a_table_has_not_drifted_from_itself(table: pa.Table) -> None:
    found = drifts(table, table)
    assert set(found) == {column.name for column in SCHEMA.features}
    for drift in found.values():
        assert drift.psi == drift.distance == drift.new == 0.0
        assert drift.effect == pytest.approx(0.0, abs=1e-9)
        assert drift.missing_before == drift.missing_after


@given(tables, tables)
@settings(max_examples=50, deadline=None)
def test_every_number_of_any_two_tables_is_finite_and_in_its_range(
    reference: pa.Table, batch: pa.Table
) -> None:
    for drift in drifts(reference, batch).values():
        found = numbers(drift)
        assert all(math.isfinite(value) for value in found.values())
        assert drift.psi >= 0
        assert drift.distance >= 0
        for name in ("p", "p_adjusted", "missing_before", "missing_after", "new"):
            assert 0 <= found[name] <= 1
        assert drift.p <= drift.p_adjusted
        if drift.measure is Measure.JENSEN_SHANNON:
            assert drift.distance <= 1 + 1e-9
            assert 0 <= drift.effect <= 1 + 1e-9


@given(tables, tables, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_changes_nothing(
    reference: pa.Table, batch: pa.Table, random: Any
) -> None:
    order = list(range(batch.num_rows))
    random.shuffle(order)
    first, second = drifts(reference, batch), drifts(reference, batch.take(order))
    for name, drift in first.items():
        assert numbers(second[name]) == pytest.approx(numbers(drift), abs=1e-12)


@given(tables, tables)
@settings(max_examples=25, deadline=None)
def test_categories_lie_as_far_from_each_other_in_both_directions(
    first: pa.Table, second: pa.Table
) -> None:
    there, back = drifts(first, second), drifts(second, first)
    for name, drift in there.items():
        if drift.measure is Measure.JENSEN_SHANNON:
            assert back[name].psi == pytest.approx(drift.psi)
            assert back[name].distance == pytest.approx(drift.distance)
            assert back[name].missing_before == drift.missing_after


@given(st.integers(2, 8).flatmap(lambda bins: st.tuples(*[shares(bins)] * 2)))
def test_psi_is_symmetric_and_never_negative(sides: tuple[list[float], list[float]]) -> None:
    before, after = (np.array(side) / sum(side) for side in sides)
    assert psi(before, after) == pytest.approx(psi(after, before))
    assert psi(before, after) >= 0 == psi(before, before)


@pytest.mark.parametrize("value", [MISSING, "[70-80)"])
def test_a_column_of_one_value_has_not_drifted_from_itself(value: str, cohort: pa.Table) -> None:
    name = "payer_code" if value == MISSING else "age"
    constant = replaced(cohort, name, [value] * cohort.num_rows)
    drift = drifts(constant, constant)[name]
    assert (drift.psi, drift.distance, drift.effect, drift.p) == (0, 0, 0, 1)


def test_a_constant_number_that_moves_is_a_finite_shift(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    before = replaced(halves[0], "num_procedures", [1] * halves[0].num_rows)
    after = replaced(halves[1], "num_procedures", [4] * halves[1].num_rows)
    drift = drifts(before, after)["num_procedures"]
    assert drift.psi > ACT
    assert drift.distance == 1.0
    assert drift.p < 1e-9


@pytest.mark.parametrize(
    "column", ["number_inpatient", "time_in_hospital", "age", "payer_code", "admission_type_id"]
)
def test_an_effect_grows_with_a_shift_and_other_columns_stay(
    halves: tuple[pa.Table, pa.Table], column: str
) -> None:
    reference, batch = halves
    found = [drifts(reference, shifted(batch, column, share)) for share in (0.0, 0.05, 0.2, 0.6)]
    for name in ("psi", "distance"):
        sizes = [getattr(part[column], name) for part in found]
        assert sizes == sorted(sizes)
    assert found[0][column].psi < 0.02
    assert found[-1][column].psi > ACT
    others = [{k: d.psi for k, d in part.items() if k != column} for part in found]
    assert all(other == others[0] for other in others)


def test_the_most_shifted_column_stands_first(halves: tuple[pa.Table, pa.Table]) -> None:
    reference, batch = halves
    found = column_drifts(pair(reference, shifted(batch, "race", 0.5), SCHEMA))
    assert found[0].column == "race"
    assert [d.psi for d in found] == sorted((d.psi for d in found), reverse=True)


def test_a_level_that_the_reference_never_held_is_counted(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    reference, batch = halves
    codes = batch["payer_code"].to_pylist()
    drift = drifts(reference, replaced(batch, "payer_code", ["new"] * 700 + codes[700:]))
    assert drift["payer_code"].new == pytest.approx(0.1)
    assert ACT < drift["payer_code"].psi < 100
    assert max(d.new for name, d in drift.items() if name != "payer_code") < 0.01


def test_missing_values_are_counted_on_both_sides(halves: tuple[pa.Table, pa.Table]) -> None:
    reference, batch = halves
    drift = drifts(reference, replaced(batch, "race", [MISSING] * batch.num_rows))["race"]
    assert drift.missing_before < 0.1
    assert drift.missing_after == 1.0


def test_codes_that_differ_after_the_point_are_the_same_diagnosis(cohort: pa.Table) -> None:
    first = replaced(cohort, "diag_1", ["250.1"] * cohort.num_rows)
    second = replaced(cohort, "diag_1", ["250.83"] * cohort.num_rows)
    assert drifts(first, second)["diag_1"].psi == 0.0


def test_numbers_are_compared_by_deciles_of_the_reference(cohort: pa.Table) -> None:
    base = cohort.slice(0, 1000)
    reference = replaced(base, "num_lab_procedures", [*range(1, 101)] * 10)
    batch = replaced(base, "num_lab_procedures", [*range(1, 51)] * 20)
    by_hand = 5 * (0.2 - 0.1) * np.log(0.2 / 0.1) + 5 * (1e-4 - 0.1) * np.log(1e-4 / 0.1)
    drift = drifts(reference, batch)["num_lab_procedures"]
    assert drift.psi == pytest.approx(by_hand)
    assert drift.distance == pytest.approx(25 / np.std(range(1, 101)))
    assert drift.effect < 0


def test_the_tests_agree_with_scipy_on_one_encounter_a_patient(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    both = pair(*halves, SCHEMA)
    found = {d.column: d for d in column_drifts(both)}
    sides = [both.independent & ~both.in_batch, both.independent & both.in_batch]
    lab = both.columns["num_lab_procedures"]
    values = [np.array(lab.levels)[lab.codes[side]] for side in sides]
    expected = ks_2samp(*values, method="asymp").pvalue
    assert found["num_lab_procedures"].p == pytest.approx(expected, abs=0.01)
    gender = both.columns["gender"]
    counts = np.stack([gender.counts(side) for side in sides])
    kept = counts[:, counts.sum(axis=0) > 0]
    common = kept[:, kept.sum(axis=0) > 0.01 * kept.sum()]
    expected = chi2_contingency(common, correction=False).pvalue
    assert found["gender"].p == pytest.approx(expected, abs=0.05)


def test_one_encounter_of_each_patient_stands_for_either_side_as_often_as_it_has_rows() -> None:
    patients = np.repeat(np.arange(20_000), 5)
    chosen = one_a_patient(patients, np.arange(patients.size))
    assert np.bincount(patients[chosen]).tolist() == [1] * 20_000
    places = np.bincount(np.flatnonzero(chosen) % 5) / 20_000
    assert places == pytest.approx([0.2] * 5, abs=0.01)


def test_the_hash_is_even_and_no_copy_of_the_split_by_patient() -> None:
    from components.ingest.split import Side, sides

    numbers = np.arange(100_000)
    found = uniform(numbers)
    assert np.histogram(found, 10, (0, 1))[0] / found.size == pytest.approx([0.1] * 10, abs=0.005)
    for side in Side:
        assert found[sides(numbers) == side].mean() == pytest.approx(0.5, abs=0.01)


def test_a_null_is_a_missing_value() -> None:
    column = Coded(Kind.NUMBER, (1, None), np.array([0, 1]), np.array([1.0, np.nan]))
    every = np.ones(4, dtype=bool)
    column = Coded(column.kind, column.levels, np.array([0, 1, 0, 0]), column.values)
    sides = Pair({"n": column}, np.array([False, False, True, True]), every, np.arange(4))
    (drift,) = column_drifts(sides)
    assert (drift.missing_before, drift.missing_after) == (0.5, 0.0)
    assert (drift.distance, drift.effect) == (0, 0)
