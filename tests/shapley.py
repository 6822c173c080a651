"""SHAP values of fitted models by the ``shap`` package: code that shares nothing with XGBoost's."""

from __future__ import annotations

import warnings
from functools import singledispatch
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from components.tuning.family import Matrix

with warnings.catch_warnings():
    # Its plots' colours are made by what matplotlib is about to deprecate.
    warnings.filterwarnings(
        "ignore", r"The set_(bad|over|under) function", PendingDeprecationWarning
    )
    import shap

Numbers = NDArray[np.float64]


@singledispatch
def shap_values(model: Any, x: Matrix) -> Numbers:
    """Return the encoded columns' SHAP values and the base value, ``(rows, width + 1)``."""
    raise TypeError(f"no explainer is known for {type(model).__name__}")


@shap_values.register
def _(model: xgb.Booster, x: Matrix) -> Numbers:
    trees = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    # shap would ask XGBoost itself; told that the trees are its own, it walks them in its own C.
    trees.model.model_type = "internal"
    trees.model.original_model = None  # so that it cannot ask
    values = trees.shap_values(x)
    # 0.51 loses the expectations of float32 trees, so its base value is what the values leave.
    return _joined(values, trees.model.predict(x) - values.sum(axis=1))


@shap_values.register
def _(model: RandomForestClassifier, x: Matrix) -> Numbers:
    trees = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    return _joined(trees.shap_values(x)[:, :, 1], trees.expected_value[1])


@shap_values.register
def _(model: Pipeline, x: Matrix) -> Numbers:
    """Give each column its distance from zero: SHAP values against a background of zeros."""
    scaler, linear = model[0], model[1]
    zeros = scaler.transform(np.zeros((1, x.shape[1])))
    explained = shap.LinearExplainer(linear, zeros)
    return _joined(explained.shap_values(scaler.transform(x)), explained.expected_value)


def _joined(values: NDArray[Any], base: Any) -> Numbers:
    column = np.broadcast_to(np.asarray(base, dtype=np.float64), len(values))
    return np.column_stack([values.astype(np.float64), column])
