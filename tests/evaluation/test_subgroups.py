from __future__ import annotations

import json

import numpy as np
import pytest
from builders import random_rows, rows_table
from risks import drawn

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


def test_precision_and_recall_without_a_denominator_are_none() -> None:
    labels = np.zeros(4, np.int8)
    found = subgroups(rows_table(random_rows(4, seed=2)), labels, np.zeros(4), 0.5, seed=1)
    assert all((group.precision, group.recall) == (None, None) for group in found)
    assert json.loads(json.dumps([group.to_json() for group in found], allow_nan=False))
