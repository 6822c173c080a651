from __future__ import annotations

import json

import numpy as np
import pytest
from builders import random_rows, rows_table
from risks import drawn

from components.evaluation.bootstrap import Interval
from components.evaluation.subgroups import COLUMNS, Subgroup, subgroups

ROWS = 600
AGES = [f"[{low}-{low + 10})" for low in range(0, 100, 10)]


@pytest.fixture(scope="module")
def groups() -> tuple[Subgroup, ...]:
    rows = random_rows(ROWS, seed=1)
    for row in rows[:20]:
        row["race"] = "Hispanic"
    for row in rows[20:]:
        row["race"] = "Caucasian" if row["race"] == "Hispanic" else row["race"]
    labels, risks = drawn(3, ROWS)
    return subgroups(rows_table(rows), labels, risks, 0.5, seed=1)


def test_every_row_is_counted_once_a_column(groups: tuple[Subgroup, ...]) -> None:
    for column in COLUMNS:
        own = [group for group in groups if group.column == column]
        assert sum(group.rows for group in own) == ROWS
        assert sum(group.patients for group in own) == ROWS
    labels, risks = drawn(3, ROWS)
    women = [group for group in groups if group.column == "gender"]
    assert sum(g.prevalence * g.rows for g in women) == pytest.approx(labels.sum())
    assert sum(g.mean_risk * g.rows for g in women) == pytest.approx(risks.sum())


def test_levels_stand_in_their_order_with_missing_among_them(
    groups: tuple[Subgroup, ...],
) -> None:
    assert [group.level for group in groups if group.column == "age"] == AGES
    assert "?" in [group.level for group in groups if group.column == "race"]


def test_a_small_group_is_counted_and_not_judged(groups: tuple[Subgroup, ...]) -> None:
    (small,) = [group for group in groups if group.level == "Hispanic"]
    assert (small.rows, small.auc) == (20, None)
    large = [group for group in groups if group.column == "gender"]
    assert all(g.auc and g.auc.low < g.auc.value < g.auc.high for g in large)


def test_only_groups_of_more_than_200_rows_are_compared_with_production() -> None:
    rows = random_rows(ROWS, seed=1)
    for number, row in enumerate(rows):
        row["race"] = ("Hispanic", "Caucasian", "Asian")[(number >= 200) + (number >= 401)]
    labels, risks = drawn(3, ROWS)
    labels[401:] = 0
    labels[401:410] = 1  # nine of a class
    found = subgroups(rows_table(rows), labels, risks, 0.5, seed=1, production=np.roll(risks, 1))
    compared = {group.level for group in found if group.difference and group.column == "race"}
    assert compared == {"Caucasian"}


def test_the_difference_is_that_of_the_group_s_own_rows() -> None:
    rows = random_rows(ROWS, seed=1)
    labels, risks = drawn(3, ROWS)
    women = np.array([row["gender"] == "Female" for row in rows])
    production = np.where(women, risks, 1 - risks)  # as good on women, and upside down on men
    found = subgroups(rows_table(rows), labels, risks, 0.5, seed=1, production=production)
    by_level = {group.level: group for group in found}
    assert by_level["Female"].difference == Interval(0.0, 0.0, 0.0)
    men = by_level["Male"]
    assert men.difference
    assert men.auc
    assert men.difference.low > 0
    assert men.difference.value == pytest.approx(2 * men.auc.value - 1)


def test_without_production_no_group_is_compared(groups: tuple[Subgroup, ...]) -> None:
    assert {group.difference for group in groups} == {None}


def test_precision_and_recall_without_a_denominator_are_none() -> None:
    labels = np.zeros(4, np.int8)
    found = subgroups(rows_table(random_rows(4, seed=2)), labels, np.zeros(4), 0.5, seed=1)
    assert all((group.precision, group.recall) == (None, None) for group in found)
    assert json.loads(json.dumps([group.to_json() for group in found], allow_nan=False))
