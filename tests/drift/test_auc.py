from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drift.changes import replaced, shifted
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from components.drift.auc import Estimate, auc, auc_error
from components.drift.classifier import classifier_test
from components.drift.pair import pair
from components.drift.performance import AucDrop, auc_at_promotion, label_drift, production_auc
from components.features.target import LABEL, Target
from components.schema import encounter_schema

SCHEMA = encounter_schema()


def scores(rows: int, seed: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.4).astype(np.int8)
    return labels, np.round(rng.normal(labels * 0.7, 1), 1)


@given(st.integers(0, 1000), st.integers(5, 200))
def test_the_auc_is_the_usual_one_with_ties(seed: int, rows: int) -> None:
    labels, risks = scores(rows, seed)
    found = auc(labels, risks, np.arange(rows))
    if found is None:
        assert np.unique(labels).size == 1
    else:
        assert found.value == pytest.approx(roc_auc_score(labels, risks))
        assert found.se >= 0


def test_the_standard_error_is_that_of_repeated_samples() -> None:
    found = [auc(*scores(500, seed), np.arange(500)) for seed in range(400)]
    values, errors = np.array([(each.value, each.se) for each in found if each]).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.1)
    labels, _ = scores(500, 0)
    by_counts = auc_error(values.mean(), labels.sum(), (1 - labels).sum())
    assert by_counts == pytest.approx(values.std(), rel=0.15)


def test_rows_of_the_same_patient_do_not_count_as_more() -> None:
    labels, risks = scores(500, 1)
    once, patients = auc(labels, risks, np.arange(500)), np.repeat(np.arange(500), 4)
    again = auc(np.repeat(labels, 4), np.repeat(risks, 4), patients)
    assert once
    assert again
    assert (again.value, again.se) == pytest.approx((once.value, once.se))


def test_one_label_alone_has_no_auc(cohort: pa.Table) -> None:
    some = cohort.slice(0, 50)
    calm = replaced(some, LABEL, ["NO"] * 50)
    assert production_auc(np.arange(50.0), calm, Target.ANY) is None


def test_halves_of_one_population_cannot_be_told_apart(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    found = classifier_test(pair(*halves, SCHEMA))
    assert found
    assert found.low < 0.5 < found.high
    assert found.value < 0.55


def test_a_shift_of_one_column_is_told_apart(halves: tuple[pa.Table, pa.Table]) -> None:
    reference, batch = halves
    found = classifier_test(pair(reference, shifted(batch, "race", 0.5), SCHEMA))
    assert found
    assert found.low > 0.65


def test_a_broken_relation_that_no_column_shows_is_told_apart(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    reference, batch = halves
    order = np.random.default_rng(0).permutation(batch.num_rows)
    broken = batch
    for name in ("diabetesMed", "insulin", "change"):
        broken = replaced(broken, name, batch[name].take(order).to_pylist())
    found = classifier_test(pair(reference, broken, SCHEMA))
    assert found
    assert found.low > 0.65


def test_too_few_patients_are_not_told_apart_at_all(halves: tuple[pa.Table, pa.Table]) -> None:
    reference, batch = halves
    assert classifier_test(pair(reference, batch.slice(0, 30), SCHEMA)) is None


def test_prevalence_is_compared_with_an_interval_by_patient(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    reference, batch = halves
    calm = label_drift(reference, batch, Target.ANY)
    assert calm
    assert calm.change.low < 0 < calm.change.high
    assert calm.psi < 0.01
    more = label_drift(reference, replaced(batch, LABEL, [">30"] * batch.num_rows), Target.ANY)
    assert more
    assert more.after == 1.0
    assert more.change.low > 0.3
    assert more.psi > 1


def test_labels_that_have_not_arrived_say_nothing(halves: tuple[pa.Table, pa.Table]) -> None:
    reference, batch = halves
    late = replaced(batch, LABEL, [None] * batch.num_rows)
    for table in (late, batch.drop_columns([LABEL])):
        assert label_drift(reference, table, Target.ANY) is None
        assert production_auc(np.zeros(batch.num_rows), table, Target.ANY) is None


def test_the_auc_at_promotion_is_what_the_version_recorded() -> None:
    tags = {"metric.auc": "0.7", "metric.rows": "4000", "metric.prevalence": "0.45"}
    found = auc_at_promotion(tags)
    assert found
    assert found.value == 0.7
    assert found.se == pytest.approx(0.0083, abs=2e-4)
    assert auc_at_promotion({"metric.auc": "0.7"}) is None


def test_a_fall_is_bounded_by_the_sampling_error_of_both() -> None:
    drop = AucDrop(Estimate(0.70, 0.008), Estimate(0.66, 0.006))
    assert drop.value == pytest.approx(0.04)
    assert drop.at_least == pytest.approx(0.04 - 3.0902 * 0.01, abs=1e-4)
    assert drop.change.value == pytest.approx(-0.04)
