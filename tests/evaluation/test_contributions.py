from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import random_rows, rows_table, tiny_bundle

from components.evaluation.contributions import contributions
from components.features.batch import encode_table
from components.registry.bundle import Bundle
from components.tuning.boosting import XGBOOST
from components.tuning.explainer import explainer
from components.tuning.export import export

ROWS = 800


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a booster's bundle; its labels depend on number_inpatient and a little on age."""
    plain = tiny_bundle(tmp_path_factory.mktemp("bundle") / "plain")
    rows = random_rows(ROWS, seed=5)
    ages = sorted({str(row["age"]) for row in rows})
    score = [int(row["number_inpatient"]) + 0.5 * ages.index(str(row["age"])) for row in rows]
    y = (np.array(score) > np.median(score)).astype(np.int8)
    x = encode_table(plain.encoder, rows_table(rows))
    model = XGBOOST.fit({**XGBOOST.start[0], "min_child_weight": 2.0}, 60, x, y, 1)
    return Bundle(
        plain.schema, plain.encoder, plain.facts, export(model, x), explainer=explainer(model, x)
    )


def test_the_columns_that_decide_stand_first(explained: Bundle) -> None:
    found = contributions(explained, rows_table(random_rows(500, seed=6)))
    first = {name for contribution in found[:3] for name in contribution.columns}
    assert "number_inpatient" in found[0].columns
    assert "age" in first
    means = [contribution.mean for contribution in found]
    assert means == sorted(means, reverse=True)
    assert min(means) >= 0


def test_every_raw_column_of_the_encoder_is_named(explained: Bundle) -> None:
    found = contributions(explained, rows_table(random_rows(50, seed=7)))
    assert {name for c in found for name in c.columns} == explained.encoder.sources
    assert len({c.columns for c in found}) == len(found)


def test_a_bundle_without_an_explainer_has_no_contributions(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    assert bundle.explainer is None
    assert contributions(bundle, rows_table(random_rows(20, seed=8))) == ()
