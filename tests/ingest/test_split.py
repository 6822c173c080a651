from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.errors import InputError
from components.ingest.split import (
    BATCHES,
    PROCESSED_TABLES,
    RUN_TABLES,
    Side,
    batch_cuts,
    check_batch,
    check_sizes,
    eras,
    processed_tables,
    run_tables,
    sides,
)

ROWS = 9000
PARTS = ("train", "validation", "test")
BATCH = st.integers(0, BATCHES)
SEED = st.integers(0, 2**32 - 1)
Tables = dict[str, pa.Table]


def cohort(seed: int, rows: int = ROWS, patients: int = 4000) -> pa.Table:
    """Return the identifiers of encounters in any order, with patients who return."""
    rng = np.random.default_rng(seed)
    numbers = rng.choice(2**50, patients, replace=False) + 1
    ids = rng.choice(2**40, rows, replace=False) + 1
    return pa.table({"encounter_id": ids, "patient_nbr": rng.choice(numbers, rows)})


def split(table: pa.Table, batch: int) -> Tables:
    era, side = eras_and_sides(table)
    return {name: table.filter(pa.array(m)) for name, m in run_tables(era, side, batch).items()}


def eras_and_sides(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    found = table["encounter_id"].to_numpy()
    return eras(found, batch_cuts(np.sort(found))), sides(table["patient_nbr"].to_numpy())


def ids(table: pa.Table) -> set[int]:
    return set(table["encounter_id"].to_pylist())


def patients(table: pa.Table) -> set[int]:
    return set(table["patient_nbr"].to_pylist())


def every_split(table: pa.Table) -> list[Tables]:
    return [split(table, batch) for batch in range(BATCHES + 1)]


def on_side(table: pa.Table, side: Side) -> set[int]:
    return ids(table.filter(pa.array(sides(table["patient_nbr"].to_numpy()) == side)))


@given(SEED, BATCH)
@settings(max_examples=25, deadline=None)
def test_no_patient_stands_on_two_sides(seed: int, batch: int) -> None:
    tables = split(cohort(seed), batch)
    train, validation, test = (patients(tables[name]) for name in PARTS)
    assert train.isdisjoint(validation)
    assert train.isdisjoint(test)
    assert validation.isdisjoint(test)


@given(SEED)
@settings(max_examples=10, deadline=None)
def test_a_patient_stays_on_one_side_through_all_batches(seed: int) -> None:
    found: dict[int, set[str]] = {}
    for tables in every_split(cohort(seed)):
        for name in PARTS:
            for patient in patients(tables[name]):
                found.setdefault(patient, set()).add(name)
    assert {len(names) for names in found.values()} == {1}


@given(st.lists(st.integers(1, 2**53 - 1), min_size=1, max_size=50), SEED)
def test_a_patients_side_depends_on_no_other_row(numbers: list[int], seed: int) -> None:
    together = sides(np.array(numbers))
    alone = [sides(np.array([number]))[0] for number in numbers]
    assert together.tolist() == alone
    order = np.random.default_rng(seed).permutation(len(numbers))
    assert np.array_equal(sides(np.array(numbers)[order]), together[order])


def test_sides_are_fixed_for_all_time() -> None:
    """A stored model's test patients must never become training patients of the next version."""
    assert sides(np.arange(1, 21)).tolist() == [
        0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("first", [1, 10**8, 2**53 - 200_001])
def test_sides_hold_three_two_and_two_tenths_of_the_patients(first: int) -> None:
    share = np.bincount(sides(np.arange(first, first + 200_000)), minlength=3) / 200_000
    assert share.tolist() == pytest.approx([0.6, 0.2, 0.2], abs=0.005)


@given(SEED, BATCH, st.integers(1, 2000))
@settings(max_examples=20, deadline=None)
def test_the_split_is_the_same_however_the_file_is_cut_into_pieces(
    seed: int, batch: int, piece: int
) -> None:
    table = cohort(seed)
    cuts = batch_cuts(np.sort(table["encounter_id"].to_numpy()))
    found: dict[str, set[int]] = {name: set() for name in RUN_TABLES}
    for start in range(0, ROWS, piece):
        part = table.slice(start, piece)
        side = sides(part["patient_nbr"].to_numpy())
        masks = run_tables(eras(part["encounter_id"].to_numpy(), cuts), side, batch)
        for name, mask in masks.items():
            found[name] |= ids(part.filter(pa.array(mask)))
    assert found == {name: ids(rows) for name, rows in split(table, batch).items()}


@given(SEED)
@settings(max_examples=10, deadline=None)
def test_eras_partition_the_encounters_in_time(seed: int) -> None:
    newest = [tables["batch"] for tables in every_split(cohort(seed))]
    assert sum(era.num_rows for era in newest) == ROWS == len(set().union(*map(ids, newest)))
    for earlier, later in itertools.pairwise(newest):
        assert max(ids(earlier)) < min(ids(later))
    assert newest[0].num_rows == pytest.approx(0.2 * ROWS, abs=1)
    assert [era.num_rows for era in newest[1:]] == pytest.approx([0.16 * ROWS] * BATCHES, abs=1)


@given(SEED, BATCH)
@settings(max_examples=15, deadline=None)
def test_the_reference_holds_no_encounter_after_the_cut_in_any_run(seed: int, batch: int) -> None:
    table = cohort(seed)
    reference = split(table, batch)["reference"]
    cut = batch_cuts(np.sort(table["encounter_id"].to_numpy()))[0]
    assert max(ids(reference)) < cut == min(ids(table) - ids(reference))


@given(SEED, BATCH)
@settings(max_examples=15, deadline=None)
def test_training_rows_are_those_of_training_patients_up_to_the_newest_batch(
    seed: int, batch: int
) -> None:
    table = cohort(seed)
    tables = split(table, batch)
    past = pa.concat_tables([split(table, n)["batch"] for n in range(batch + 1)])
    assert ids(tables["train"]) == on_side(past, Side.TRAIN)
    assert ids(tables["validation"]) == on_side(past, Side.VALIDATION)


@given(SEED, BATCH)
@settings(max_examples=15, deadline=None)
def test_test_rows_come_from_the_newest_batch_alone(seed: int, batch: int) -> None:
    tables = split(cohort(seed), batch)
    assert ids(tables["test"]) == on_side(tables["batch"], Side.TEST)


@given(SEED)
@settings(max_examples=10, deadline=None)
def test_a_whole_file_becomes_the_reference_its_sides_and_five_batches(seed: int) -> None:
    table = cohort(seed)
    masks = processed_tables(*eras_and_sides(table))
    assert tuple(masks) == PROCESSED_TABLES
    found = {name: ids(table.filter(pa.array(mask))) for name, mask in masks.items()}
    initial = split(table, 0)
    assert all(found[name] == ids(initial[name]) for name in ("reference", *PARTS))
    assert found["reference"] == set().union(*(found[name] for name in PARTS))
    for number in range(1, BATCHES + 1):
        assert found[f"batch-{number}"] == ids(split(table, number)["batch"])


@pytest.mark.parametrize("batch", [-1, 6, 100])
def test_a_batch_that_does_not_exist_is_refused(batch: int) -> None:
    with pytest.raises(InputError, match=f"batch {batch} is out of range: 0 .* to 5"):
        check_batch(batch)


@pytest.mark.parametrize("name", PARTS)
def test_too_few_rows_are_refused_with_their_number(name: str) -> None:
    sizes = dict.fromkeys(PARTS, 100)
    check_sizes(sizes)
    with pytest.raises(InputError, match=f"^99 {name} rows are too few"):
        check_sizes(sizes | {name: 99})


def test_no_encounters_have_no_cuts_to_fall_over() -> None:
    assert batch_cuts(np.empty(0, np.int64)) == (0,) * BATCHES
