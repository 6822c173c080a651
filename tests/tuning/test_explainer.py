from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from builders import labels, random_rows, rows_table, tiny_encoder
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from components.errors import BundleError
from components.features.batch import encode_table
from components.tuning import explainer as module
from components.tuning.explainer import explainer
from components.tuning.export import predict
from components.tuning.families import families
from components.tuning.family import Matrix

WINNERS: dict[str, tuple[dict[str, Any], int]] = {
    "logistic_regression": ({"C": 0.1, "l1_ratio": 0.5}, 50),
    "random_forest": ({"min_samples_leaf": 5, "max_features": 0.3, "max_depth": 12}, 60),
    "xgboost": ({"eta": 0.1, "max_depth": 6, "min_child_weight": 5.0, "lambda": 1.0}, 80),
}


def encoded(seed: int, rows: int = 600) -> Matrix:
    return encode_table(tiny_encoder(), rows_table(random_rows(rows, seed)))


def truth(seed: int, rows: int = 600) -> NDArray[np.int8]:
    return np.array([label != "NO" for label in labels(random_rows(rows, seed), seed)], np.int8)


def fitted(name: str) -> Any:
    family = next(family for family in families() if family.name == name)
    return family.fit(*WINNERS[name], encoded(0), truth(0), 3)


def contributions(content: bytes, x: Matrix) -> NDArray[np.float64]:
    booster = xgb.Booster()
    booster.load_model(bytearray(content))
    found: NDArray[np.float64] = booster.predict(xgb.DMatrix(x), pred_contribs=True)
    return found.astype(np.float64)


def margin(model: Any, x: Matrix) -> NDArray[np.float64]:
    """Return a logit, or the forest's probability."""
    if isinstance(model, RandomForestClassifier):
        return predict(model, x)
    risks = predict(model, x)
    return np.asarray(np.log(risks / (1 - risks)))


@pytest.mark.parametrize("name", WINNERS)
def test_contributions_sum_to_the_models_margin_on_rows_that_it_never_saw(name: str) -> None:
    model, other = fitted(name), encoded(1, rows=300)
    found = contributions(explainer(model, encoded(0)), other)
    assert found.shape == (300, other.shape[1] + 1)
    assert np.abs(found.sum(axis=1) - margin(model, other)).max() < 1e-4
    assert np.ptp(found[:, :-1].sum(axis=1)) > 0.1


def test_a_linear_models_contribution_is_coefficient_times_value() -> None:
    model, other = fitted("logistic_regression"), encoded(1, rows=50)
    found = contributions(explainer(model, encoded(0)), other)
    slope = model[1].coef_[0] / model[0].scale_
    assert np.abs(found[:, :-1] - other * slope).max() < 1e-4


def test_a_column_that_no_tree_splits_contributes_nothing() -> None:
    x, y = encoded(0), truth(0)
    model = RandomForestClassifier(5, max_depth=3, max_features=0.1, random_state=0).fit(x, y)
    used = {f for tree in model.estimators_ for f in tree.tree_.feature if f >= 0}
    found = contributions(explainer(model, x), x)
    assert set(np.flatnonzero(np.abs(found[:, :-1]).sum(axis=0))) <= used


def test_values_at_a_threshold_take_the_forests_own_side() -> None:
    """Thresholds lie between float32 values or on one: whole numbers and halves meet both."""
    draw = np.random.default_rng(0)
    x = draw.integers(0, 4, (400, 3)).astype(np.float32) / np.float32(10)
    y = (x.sum(axis=1) > 0.4).astype(np.int8)
    model = RandomForestClassifier(10, random_state=0).fit(x, y)
    cuts = np.unique(np.concatenate([t.tree_.threshold for t in model.estimators_]))
    near = [np.nextafter(np.float32(c), np.float32(d)) for c in cuts for d in (-9, 9)]
    tried = np.array(np.meshgrid([*near, *cuts], [0.1, 0.3], [0.0, 0.2]), np.float32).reshape(3, -1)
    rows = np.ascontiguousarray(tried.T)
    found = contributions(explainer(model, x), rows)
    assert np.abs(found.sum(axis=1) - predict(model, rows)).max() < 1e-5


def test_an_explainer_that_differs_from_its_model_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = fitted("xgboost"), fitted("random_forest")
    monkeypatch.setattr(module, "as_booster", lambda _: one)
    with pytest.raises(BundleError, match="the explaining booster differs from the model by"):
        explainer(other, encoded(0))
