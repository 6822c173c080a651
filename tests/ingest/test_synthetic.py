from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from components.errors import InputError
from components.ingest.reader import read_batches
from components.ingest.synthetic import synthesise
from components.ingest.synthetic.drifts import DEATHS
from components.schema import Kind, encounter_schema

MAIN = (
    "race", "gender", "age", "admission_type_id", "discharge_disposition_id",
    "admission_source_id", "time_in_hospital", "payer_code", "medical_specialty",
    "num_lab_procedures", "num_procedures", "num_medications", "number_outpatient",
    "number_emergency", "number_inpatient", "number_diagnoses", "A1Cresult", "metformin",
    "insulin", "change",
)  # fmt: skip

Columns = dict[str, NDArray[Any]]


def columns_of(table: pa.Table) -> Columns:
    schema = encounter_schema()
    plain = {name: table[name].to_numpy(zero_copy_only=False) for name in schema.names}
    return {c.name: plain[c.name].astype(int if c.is_integer else str) for c in schema}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return synthesise(40_000, seed=7)


@pytest.fixture(scope="module")
def cohort(table: pa.Table) -> Columns:
    return columns_of(table)


def test_columns_stand_in_schema_order_and_encounters_ascend(table: pa.Table) -> None:
    schema = encounter_schema()
    assert tuple(table.column_names) == schema.names
    assert [field.type for field in table.schema] == [
        pa.int64() if column.is_integer else pa.string() for column in schema
    ]
    assert table.num_rows == 40_000
    assert (np.diff(table["encounter_id"].to_numpy()) > 0).all()


def test_the_schema_accepts_every_value(table: pa.Table) -> None:
    for column in encounter_schema():
        distinct = table[column.name].unique().to_pylist()
        assert [value for value in distinct if not column.accepts(value)] == [], column.name


def test_diabetes_medication_is_no_exactly_when_no_drug_is_given(cohort: Columns) -> None:
    given = np.any([cohort[drug] != "No" for drug in encounter_schema().drugs], axis=0)
    assert ((cohort["diabetesMed"] == "Yes") == given).all()


def test_without_a_change_no_drug_goes_up_or_down(cohort: Columns) -> None:
    moved = np.any([np.isin(cohort[d], ("Up", "Down")) for d in encounter_schema().drugs], axis=0)
    assert not moved[cohort["change"] == "No"].any()


def test_fewer_than_three_diagnoses_leave_the_third_missing(cohort: Columns) -> None:
    few = cohort["number_diagnoses"] < 3
    assert set(cohort["diag_3"][few]) == {"?"}


def test_the_dead_are_not_readmitted(cohort: Columns) -> None:
    dead = np.isin(cohort["discharge_disposition_id"], DEATHS)
    assert set(cohort["readmitted"][dead]) == {"NO"}


def test_the_earliest_fifth_has_no_payer(cohort: Columns) -> None:
    fifth = cohort["payer_code"].size // 5
    assert (cohort["payer_code"][:fifth] == "?").all()
    assert (cohort["payer_code"][-fifth:] != "?").mean() > 0.8


def test_patients_return_as_in_the_file(cohort: Columns) -> None:
    _, who, size = np.unique(cohort["patient_nbr"], return_inverse=True, return_counts=True)
    assert (size > 1).mean() == pytest.approx(0.235, abs=0.01)
    assert (size[who] > 1).mean() == pytest.approx(0.462, abs=0.015)
    assert 10 < size.max() <= 40


def test_a_patient_keeps_gender_and_race_and_ages_by_a_bracket_at_most(cohort: Columns) -> None:
    who = np.unique(cohort["patient_nbr"], return_inverse=True)[1]
    for name, most in (("gender", 0), ("race", 0), ("age", 1)):
        level = np.unique(cohort[name], return_inverse=True)[1]
        low, high = np.full(who.max() + 1, 99), np.zeros(who.max() + 1, dtype=int)
        np.minimum.at(low, who, level)
        np.maximum.at(high, who, level)
        assert (high - low).max() == most, name


def test_those_who_return_were_readmitted_and_had_more_inpatient_stays(cohort: Columns) -> None:
    _, who, size = np.unique(cohort["patient_nbr"], return_inverse=True, return_counts=True)
    last = np.zeros(size.size, dtype=int)
    np.maximum.at(last, who, np.arange(who.size))
    returns = np.arange(who.size) != last[who]
    assert (cohort["readmitted"][returns] != "NO").mean() > 0.97
    stays = cohort["number_inpatient"]
    assert stays[size[who] > 2].mean() > 3 * stays[size[who] == 1].mean()


def test_label_rates_are_those_of_the_file(cohort: Columns) -> None:
    assert (cohort["readmitted"] == "NO").mean() == pytest.approx(0.539, abs=0.015)
    assert (cohort["readmitted"] == "<30").mean() == pytest.approx(0.112, abs=0.01)


def test_the_same_arguments_give_the_same_table_and_another_seed_another() -> None:
    assert synthesise(500, seed=3).equals(synthesise(500, seed=3))
    assert not synthesise(500, seed=3).equals(synthesise(500, seed=4))


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_a_handful_of_rows_can_be_asked_for(rows: int) -> None:
    assert synthesise(rows, seed=0).num_rows == rows


@pytest.mark.parametrize("rows", [0, -5])
def test_no_rows_is_an_input_error(rows: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        synthesise(rows, seed=0)


@pytest.fixture(scope="module")
def real() -> Columns:
    beside = Path(__file__).parents[3] / "shared" / "data" / "dataset_diabetes.zip"
    path = Path(os.environ.get("HEALTH_PREDICT_REAL_DATA", beside))
    if not path.exists():
        pytest.skip(f"the real dataset is not at {path}: set HEALTH_PREDICT_REAL_DATA")
    return columns_of(pa.Table.from_batches(list(read_batches(path, encounter_schema()))))


def population_stability(expected: NDArray[Any], found: NDArray[Any]) -> float:
    if expected.dtype.kind == "i":
        edges = np.unique(np.quantile(expected, np.linspace(0, 1, 11)[1:-1]))
        expected, found = np.searchsorted(edges, expected), np.searchsorted(edges, found)
    level = np.unique(np.concatenate((expected, found)), return_inverse=True)[1]
    share = [
        np.maximum(np.bincount(part, minlength=level.max() + 1) / part.size, 1e-4)
        for part in np.split(level, [expected.size])
    ]
    return float(((share[0] - share[1]) * np.log(share[0] / share[1])).sum())


def design(cohort: Columns, other: Columns) -> NDArray[Any]:
    """Ordinal codes over the values of both cohorts; numbers as they are."""
    features = []
    for column in encounter_schema().features:
        values = cohort[column.name]
        if column.kind not in (Kind.NUMBER, Kind.CODE):
            domain = np.unique(np.concatenate((values, other[column.name])))
            values = np.searchsorted(domain, values)
        features.append(values.astype(np.float32))
    return np.column_stack(features)


def in_training(cohort: Columns) -> NDArray[np.bool_]:
    who = np.unique(cohort["patient_nbr"], return_inverse=True)[1]
    chosen = np.random.default_rng(0).random(who.max() + 1) < 0.7
    return np.asarray(chosen[who])


@pytest.mark.real
def test_synthetic_columns_and_signal_are_close_to_the_real_ones(real: Columns) -> None:
    made = columns_of(synthesise(real["encounter_id"].size, seed=1))
    shift = {name: population_stability(real[name], made[name]) for name in MAIN}
    assert max(shift.values()) < 0.1, shift
    rows = {"real": design(real, made), "made": design(made, real)}
    train = {"real": in_training(real), "made": in_training(made)}
    for early in (False, True):
        positive = ["<30"] if early else ["<30", ">30"]
        both = {"real": real, "made": made}
        truth = {name: np.isin(part["readmitted"], positive) for name, part in both.items()}
        auc = {}
        for source, scored in (("real", ["real"]), ("made", ["made", "real"])):
            model = HistGradientBoostingClassifier(
                max_iter=60, min_samples_leaf=50, early_stopping=False, random_state=0
            )
            with threadpool_limits(1):  # several threads on a busy machine wait for each other
                model.fit(rows[source][train[source]], truth[source][train[source]])
            for name in scored:
                held = ~train[name]
                score = model.predict_proba(rows[name][held])[:, 1]
                auc[source, name] = float(roc_auc_score(truth[name][held], score))
        print("within 30 days" if early else "any readmission", auc)
        assert auc["made", "made"] == pytest.approx(auc["real", "real"], abs=0.02), auc
        assert auc["made", "real"] == pytest.approx(auc["real", "real"], abs=0.02), auc
