"""The rules find in a synthetic cohort the columns that were moved, and no other."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pytest

from components.drift.decision import DriftRules
from components.drift.pair import pair
from components.drift.statistics import column_drifts
from components.ingest.split import ENDED_IN_DEATH_OR_HOSPICE, batch_cuts, eras
from components.ingest.synthetic import Drift, synthesise
from components.ingest.synthetic.drifts import GRADUAL_COLUMNS, STRONG_COLUMNS
from components.schema import encounter_schema


@cache
def parts(drift: Drift) -> list[pa.Table]:
    """Return the reference and the five batches of a cohort, as ingest would."""
    table = synthesise(50_000, 11, drift)
    ended = table["discharge_disposition_id"].to_pylist()
    kept = table.filter(pa.array([code not in ENDED_IN_DEATH_OR_HOSPICE for code in ended]))
    ids = kept["encounter_id"].to_numpy()
    era = eras(ids, batch_cuts(ids))
    return [kept.filter(pa.array(era == number)) for number in range(6)]


def drifted(drift: Drift, batch: int) -> set[str]:
    cohort, rules = parts(drift), DriftRules()
    found = column_drifts(pair(cohort[0], cohort[batch], encounter_schema()))
    return {column.column for column in found if rules.drifted(column)}


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_nothing_is_found_where_nothing_changed(batch: int) -> None:
    assert drifted(Drift.NONE, batch) == set()


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_a_strong_drift_is_found_in_its_columns(batch: int) -> None:
    assert drifted(Drift.STRONG, batch) == set(STRONG_COLUMNS)


@pytest.mark.parametrize("batch", [3, 4, 5])
def test_a_gradual_drift_is_found_once_it_is_large_enough(batch: int) -> None:
    assert drifted(Drift.GRADUAL, batch) == set(GRADUAL_COLUMNS)


def test_a_changed_concept_moves_no_column() -> None:
    assert drifted(Drift.CONCEPT, 5) == set()
