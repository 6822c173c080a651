from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.errors import InputError
from components.ingest.reader import read_batches
from components.ingest.split import (
    BATCHES,
    ENDED_IN_DEATH_OR_HOSPICE,
    Side,
    Split,
    sides,
    split_encounters,
)
from components.ingest.validate import validate
from components.schema import encounter_schema

ROOT = Path(__file__).parents[2]
ROWS = 9000
PARTS = ("train", "validation", "test")
BATCH = st.integers(0, BATCHES)
SEED = st.integers(0, 2**32 - 1)


def cohort(seed: int, rows: int = ROWS, patients: int = 4000, ended: float = 0.05) -> pa.Table:
    """Return the columns that a split reads; encounters in any order, patients who return."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(2**40, rows, replace=False) + 1
    numbers = rng.choice(2**50, patients, replace=False) + 1
    dispositions = np.where(
        rng.random(rows) < ended,
        rng.choice(ENDED_IN_DEATH_OR_HOSPICE, rows),
        rng.choice((1, 3, 6, 18), rows),
    )
    return pa.table(
        {
            "encounter_id": ids,
            "patient_nbr": rng.choice(numbers, rows),
            "discharge_disposition_id": dispositions,
        }
    )


def ids(table: pa.Table) -> set[int]:
    return set(table["encounter_id"].to_pylist())


def patients(table: pa.Table) -> set[int]:
    return set(table["patient_nbr"].to_pylist())


def every_split(table: pa.Table) -> list[Split]:
    return [split_encounters(table, batch) for batch in range(BATCHES + 1)]


def on_side(table: pa.Table, side: Side) -> set[int]:
    mask: NDArray[np.bool_] = sides(table["patient_nbr"].to_numpy()) == side
    return ids(table.filter(mask))


@given(SEED, BATCH)
@settings(max_examples=25, deadline=None)
def test_no_patient_stands_on_two_sides(seed: int, batch: int) -> None:
    split = split_encounters(cohort(seed), batch)
    train, validation, test = (patients(getattr(split, name)) for name in PARTS)
    assert train.isdisjoint(validation)
    assert train.isdisjoint(test)
    assert validation.isdisjoint(test)


@given(SEED)
@settings(max_examples=10, deadline=None)
def test_a_patient_stays_on_one_side_through_all_batches(seed: int) -> None:
    found: dict[int, set[str]] = {}
    for split in every_split(cohort(seed)):
        for name in PARTS:
            for patient in patients(getattr(split, name)):
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


@given(SEED, SEED, BATCH)
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed: int, other: int, batch: int) -> None:
    table = cohort(seed)
    shuffled = table.take(np.random.default_rng(other).permutation(table.num_rows))
    first, second = split_encounters(table, batch), split_encounters(shuffled, batch)
    for name in ("reference", "batch", *PARTS):
        assert getattr(first, name).equals(getattr(second, name))


@given(SEED, BATCH)
@settings(max_examples=10, deadline=None)
def test_every_table_is_sorted_by_encounter(seed: int, batch: int) -> None:
    split = split_encounters(cohort(seed), batch)
    for name in ("reference", "batch", *PARTS):
        assert (np.diff(getattr(split, name)["encounter_id"].to_numpy()) > 0).all()


@given(SEED)
@settings(max_examples=10, deadline=None)
def test_eras_partition_the_kept_rows_in_time(seed: int) -> None:
    table = cohort(seed)
    newest = [split.batch for split in every_split(table)]
    kept = table.num_rows - split_encounters(table, 0).removed
    assert sum(era.num_rows for era in newest) == kept == len(set().union(*map(ids, newest)))
    for earlier, later in itertools.pairwise(newest):
        assert max(ids(earlier)) < min(ids(later))
    assert newest[0].num_rows == pytest.approx(0.2 * kept, abs=1)
    assert [era.num_rows for era in newest[1:]] == pytest.approx([0.16 * kept] * BATCHES, abs=1)


@given(SEED, BATCH)
@settings(max_examples=15, deadline=None)
def test_the_reference_is_the_earliest_fifth_in_every_run(seed: int, batch: int) -> None:
    table = cohort(seed)
    split = split_encounters(table, batch)
    later = ids(table.filter(~_ended(table))) - ids(split.reference)
    assert max(ids(split.reference)) < min(later)
    assert split.reference.equals(split_encounters(table, 0).batch)


@given(SEED, BATCH)
@settings(max_examples=15, deadline=None)
def test_training_rows_are_those_of_training_patients_up_to_the_newest_batch(
    seed: int, batch: int
) -> None:
    table = cohort(seed)
    split = split_encounters(table, batch)
    past = pa.concat_tables([split_encounters(table, n).batch for n in range(batch + 1)])
    assert ids(split.train) == on_side(past, Side.TRAIN)
    assert ids(split.validation) == on_side(past, Side.VALIDATION)


@given(SEED, BATCH)
@settings(max_examples=15, deadline=None)
def test_test_rows_come_from_the_newest_batch_alone(seed: int, batch: int) -> None:
    split = split_encounters(cohort(seed), batch)
    assert ids(split.test) == on_side(split.batch, Side.TEST)


@given(SEED, BATCH, st.floats(0, 0.3))
@settings(max_examples=15, deadline=None)
def test_encounters_that_ended_in_death_or_hospice_are_removed_and_counted(
    seed: int, batch: int, share: float
) -> None:
    table = cohort(seed, ended=share)
    split = split_encounters(table, batch)
    assert split.removed == int(_ended(table).sum())
    for name in ("reference", "batch", *PARTS):
        assert not _ended(getattr(split, name)).any()


@pytest.mark.parametrize("batch", [-1, 6, 100])
def test_a_batch_that_does_not_exist_is_refused(batch: int) -> None:
    with pytest.raises(InputError, match=f"batch {batch} is out of range: 0 .* to 5"):
        split_encounters(cohort(0), batch)


@pytest.mark.parametrize("rows", [1, 3, 10, 300, 1500])
@pytest.mark.parametrize("batch", [0, 5])
def test_too_few_rows_are_refused_with_their_number(rows: int, batch: int) -> None:
    with pytest.raises(InputError, match=r"^\d+ (train|validation|test) rows are too few"):
        split_encounters(cohort(1, rows=rows), batch)


def test_a_file_whose_every_encounter_ended_in_death_is_refused() -> None:
    with pytest.raises(InputError, match="0 train rows are too few"):
        split_encounters(cohort(1, ended=1.0), 0)


def _ended(table: pa.Table) -> Any:
    ended = pc.is_in(table["discharge_disposition_id"], pa.array(ENDED_IN_DEATH_OR_HOSPICE))
    return ended.to_numpy(zero_copy_only=False)


@pytest.fixture(scope="module")
def real() -> pa.Table:
    beside = ROOT.parent / "shared" / "data" / "dataset_diabetes.zip"
    path = Path(os.environ.get("HEALTH_PREDICT_REAL_DATA", beside))
    if not path.exists():
        pytest.skip(f"the real dataset is not at {path}: set HEALTH_PREDICT_REAL_DATA")
    schema = encounter_schema()
    return validate(read_batches(path, schema), schema, str(path))


@pytest.mark.real
def test_the_real_file_splits_into_tables_of_known_size(real: pa.Table) -> None:
    splits = every_split(real)
    assert real.num_rows == 101_766
    assert {split.removed for split in splits} == {2_423}
    assert [s.batch.num_rows for s in splits] == [19868, *[15895] * 5]
    assert [s.train.num_rows for s in splits] == [12037, 21562, 31195, 40788, 50395, 59817]
    assert [s.validation.num_rows for s in splits] == [3926, 7039, 10245, 13475, 16544, 19807]
    assert [s.test.num_rows for s in splits] == [3905, 3257, 3056, 3072, 3219, 3210]


@pytest.mark.real
def test_the_real_files_readmissions_swing_from_batch_to_batch(real: pa.Table) -> None:
    shares = [
        np.mean([label != "NO" for label in split.batch["readmitted"].to_pylist()])
        for split in every_split(real)
    ]
    assert shares == pytest.approx([0.479, 0.394, 0.549, 0.512, 0.500, 0.391], abs=0.001)
