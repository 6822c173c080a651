"""The drifts of a synthetic cohort have the sizes that they state."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders import checked, text_batches
from numpy.typing import NDArray

from components.errors import InputError
from components.ingest.profile import Profile
from components.ingest.reader import read_batches
from components.ingest.split import ENDED_IN_DEATH_OR_HOSPICE, batch_cuts, eras
from components.ingest.synthetic import Drift, synthesise
from components.ingest.synthetic.drifts import (
    CONCEPT_SHARE,
    DEATHS,
    GRADUAL_COLUMNS,
    GRADUAL_SD,
    STRONG_COLUMNS,
    STRONG_SD,
)
from components.ingest.synthetic.write import write_cohort
from components.schema import encounter_schema

ROWS = 60_000
NOISE_SD = 0.045
"""Three standard errors of the difference between parts of 12,000 and 9,600 rows."""

SHIFTED = [Drift.NONE, Drift.GRADUAL, Drift.STRONG, Drift.CONCEPT]


@cache
def cohort(drift: Drift) -> pa.Table:
    return synthesise(ROWS, 5, drift)


@cache
def batches(drift: Drift) -> NDArray[np.int64]:
    ids = cohort(drift)["encounter_id"].to_numpy()
    return eras(ids, batch_cuts(ids[usable(drift)]))


def usable(drift: Drift) -> NDArray[np.bool_]:
    dispositions = cohort(drift)["discharge_disposition_id"].to_numpy()
    return ~np.isin(dispositions, ENDED_IN_DEATH_OR_HOSPICE)


def ranks(drift: Drift, name: str) -> NDArray[np.float64]:
    column, values = encounter_schema()[name], cohort(drift)[name].to_pylist()
    if column.is_integer:
        return np.array(values, dtype=np.float64)
    return np.array([column.values.index(value) for value in values], dtype=np.float64)


def shift(drift: Drift, name: str, batch: int) -> float:
    """Return by how many standard deviations of the first fifth a batch's mean lies above it."""
    values, part = ranks(drift, name), batches(drift)
    first = values[part == 0]
    return float((values[part == batch].mean() - first.mean()) / first.std())


def readmitted(drift: Drift) -> NDArray[np.bool_]:
    return np.array([label != "NO" for label in cohort(drift)["readmitted"].to_pylist()])


def variation(drift: Drift, name: str) -> float:
    """Return half the sum of the differences of shares between the first fifth and the rest."""
    first, rest = (Profile(encounter_schema()) for _ in range(2))
    part = batches(drift)
    first.add(cohort(drift).filter(pa.array(part == 0)))
    rest.add(cohort(drift).filter(pa.array(part > 0)))
    common = [v for v, n in first.counts[name].items() if n > 0.01 * first.rows]
    return sum(abs(first.share(name, v) - rest.share(name, v)) for v in common) / 2


@pytest.mark.parametrize("drift", SHIFTED)
def test_every_encounter_keeps_the_schema_and_its_rules(drift: Drift) -> None:
    good, aside = checked(text_batches(cohort(drift), ROWS), drift.value, most_aside=0.0)
    assert (good.num_rows, aside.num_rows) == (ROWS, 0)


@pytest.mark.parametrize("column", [c.name for c in encounter_schema().features])
def test_without_drift_a_column_is_the_same_at_all_times(column: str) -> None:
    assert variation(Drift.NONE, column) < 0.03  # num_lab_procedures has 118 levels


def test_without_drift_as_many_are_readmitted_at_all_times() -> None:
    again, part, kept = readmitted(Drift.NONE), batches(Drift.NONE), usable(Drift.NONE)
    shares = [again[kept & (part == number)].mean() for number in range(6)]
    assert max(shares) - min(shares) < 0.02


def test_the_calendar_moves_what_it_moves_in_the_real_file() -> None:
    assert variation(Drift.CALENDAR, "payer_code") > 0.3
    assert cohort(Drift.CALENDAR).equals(synthesise(ROWS, 5))


@pytest.mark.parametrize("name", STRONG_COLUMNS)
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_strong_drift_moves_its_columns_by_its_size_in_every_batch(name: str, batch: int) -> None:
    assert shift(Drift.STRONG, name, batch) == pytest.approx(STRONG_SD, abs=NOISE_SD)


@pytest.mark.parametrize("name", GRADUAL_COLUMNS)
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_gradual_drift_grows_to_its_size(name: str, batch: int) -> None:
    expected = GRADUAL_SD * batch / 5
    assert shift(Drift.GRADUAL, name, batch) == pytest.approx(expected, abs=NOISE_SD)


MOVED = {
    Drift.GRADUAL: set(GRADUAL_COLUMNS),
    Drift.STRONG: set(STRONG_COLUMNS),
    Drift.CONCEPT: {"readmitted"},
}


@pytest.mark.parametrize("drift", MOVED)
def test_a_drift_moves_nothing_else_and_nothing_before_the_cut(drift: Drift) -> None:
    plain, moved = cohort(Drift.NONE), cohort(drift)
    changed = {name for name in plain.column_names if not plain[name].equals(moved[name])}
    assert changed == MOVED[drift]
    first = pa.array(batches(drift) == 0)
    assert plain.filter(first).equals(moved.filter(first))


def test_concept_drift_draws_its_share_of_the_labels_anew_and_keeps_how_many_there_are() -> None:
    part, kept = batches(Drift.CONCEPT) > 0, usable(Drift.CONCEPT)
    before, after = readmitted(Drift.NONE)[part & kept], readmitted(Drift.CONCEPT)[part & kept]
    rate = before.mean()
    flipped = CONCEPT_SHARE * 2 * rate * (1 - rate)
    assert (before != after).mean() == pytest.approx(flipped, abs=0.01)
    assert after.mean() == pytest.approx(rate, abs=0.015)


def test_concept_drift_weakens_what_earlier_visits_say() -> None:
    visits, part = ranks(Drift.NONE, "number_inpatient") > 0, batches(Drift.NONE) > 0

    def excess(drift: Drift) -> float:
        again = readmitted(drift)
        return float(again[part & visits].mean() - again[part & ~visits].mean())

    assert excess(Drift.CONCEPT) == pytest.approx(
        (1 - CONCEPT_SHARE) * excess(Drift.NONE), abs=0.03
    )


@pytest.mark.parametrize("drift", SHIFTED)
def test_the_dead_are_not_readmitted_and_do_not_come_back(drift: Drift) -> None:
    dead = np.isin(cohort(drift)["discharge_disposition_id"].to_numpy(), DEATHS)
    assert not readmitted(drift)[dead].any()
    patients = cohort(drift)["patient_nbr"].to_numpy()
    last = dict(zip(patients.tolist(), range(ROWS), strict=True))
    later = [last[patient] > row for row, patient in enumerate(patients) if dead[row]]
    assert np.mean(later) < 0.02


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".zip", ".parquet"])
def test_a_written_cohort_reads_back_in_the_files_order(tmp_path: Path, suffix: str) -> None:
    table, path = synthesise(500, 2), tmp_path / f"cohort{suffix}"
    write_cohort(table, path)
    read = pa.Table.from_batches(list(read_batches(path, encounter_schema())))
    names = encounter_schema().names
    assert tuple(read.column_names) == names
    assert read.to_pydict() == {n: table[n].cast(pa.string()).to_pylist() for n in names}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_written_csv_is_unquoted_as_the_real_file_is(tmp_path: Path) -> None:
    write_cohort(synthesise(200, 2), tmp_path / "cohort.csv")
    text = (tmp_path / "cohort.csv").read_text("utf-8")
    assert text.startswith("encounter_id,patient_nbr,race,")
    assert '"' not in text


@pytest.mark.parametrize("name", ["cohort.xls", "cohort", ".csv", "none/cohort.csv"])
def test_a_file_of_no_known_kind_or_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"ends in \.csv|does not exist"):
        write_cohort(synthesise(10, 2), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
