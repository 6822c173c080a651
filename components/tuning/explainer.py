"""The fitted model in XGBoost's own format, whose contributions explain it.

XGBoost computes exact SHAP values of trees (TreeSHAP: Lundberg et al. 2020, doi
10.1038/s42256-019-0138-9) and, of a linear booster, coefficient x value. So the forest and the
linear model are written as a booster as well; its margin is the forest's probability, or the
linear model's logit. It explains and never scores.
"""

from __future__ import annotations

import json
from functools import singledispatch
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from components.errors import BundleError
from components.tuning.export import predict
from components.tuning.family import Matrix

AGREEMENT = 1e-4
"""Largest difference allowed between the booster's margin and the model's (float32 sums)."""

_ROWS = 256
_LEAF = -1
_NO_PARENT = np.iinfo(np.int32).max


def explainer(model: Any, matrix: Matrix) -> bytes:
    """Return a fitted model as a booster in the UBJ format.

    Args:
        model: an ``xgboost.Booster``, a random forest, or a scaler followed by a linear model.
        matrix: rows on which the booster must agree with the model.

    Raises:
        BundleError: the booster's margins differ by more than ``AGREEMENT``.
    """
    booster, rows = as_booster(model), matrix[:_ROWS]
    found = booster.predict(xgb.DMatrix(rows), output_margin=True)
    difference = float(np.abs(found - _margin(model, rows)).max())
    if not difference <= AGREEMENT:
        raise BundleError(f"the explaining booster differs from the model by {difference:.1e}")
    return bytes(booster.save_raw("ubj"))


@singledispatch
def as_booster(model: Any) -> xgb.Booster:
    """Return the booster whose margin is the model's."""
    raise TypeError(f"no booster is known for {type(model).__name__}")


@as_booster.register
def _(model: xgb.Booster) -> xgb.Booster:
    return model


@as_booster.register
def _(model: Pipeline) -> xgb.Booster:
    """Fold the scaler into the coefficients."""
    scaler, linear = model[0], model[1]
    weights = linear.coef_[0] / scaler.scale_
    bias = float(linear.intercept_[0] - weights @ scaler.mean_)
    booster = _empty("gblinear", "reg:squarederror", weights.size)
    booster["learner"]["gradient_booster"]["model"]["weights"] = [*weights.tolist(), bias]
    return _loaded(booster)


@as_booster.register
def _(model: RandomForestClassifier) -> xgb.Booster:
    """Write each tree with leaves of its share of the forest's probability."""
    size = len(model.estimators_)
    booster = _empty("gbtree", "reg:squarederror", model.n_features_in_)
    trees = booster["learner"]["gradient_booster"]["model"]
    trees["trees"] = [_tree(e.tree_, n, size) for n, e in enumerate(model.estimators_)]
    trees["tree_info"] = [0] * size
    trees["iteration_indptr"] = list(range(size + 1))
    trees["gbtree_model_param"]["num_trees"] = str(size)
    return _loaded(booster)


def _margin(model: Any, rows: Matrix) -> NDArray[np.float64]:
    if isinstance(model, xgb.Booster):
        return np.asarray(model.inplace_predict(rows, predict_type="margin"), dtype=np.float64)
    if isinstance(model, Pipeline):
        return np.asarray(model.decision_function(rows), dtype=np.float64)
    return predict(model, rows)


def _empty(booster: str, objective: str, width: int) -> dict[str, Any]:
    """Return the JSON of a booster that was trained for no round, with base score 0."""
    settings = {"booster": booster, "objective": objective, "base_score": 0.0}
    rows = xgb.DMatrix(np.zeros((1, width), dtype=np.float32), np.zeros(1))
    made = xgb.train(settings, rows, 1 if booster == "gblinear" else 0)
    content: dict[str, Any] = json.loads(made.save_raw("json"))
    return content


def _loaded(content: dict[str, Any]) -> xgb.Booster:
    booster = xgb.Booster()
    booster.load_model(bytearray(json.dumps(content).encode()))
    return booster


def _tree(tree: Any, number: int, size: int) -> dict[str, Any]:
    """Translate one tree of scikit-learn's.

    There a row goes left at ``value <= threshold``, in XGBoost at ``value < threshold``: the next
    float32 above the threshold tells the same rows apart.
    """
    order = _siblings_side_by_side(tree)
    left, right, parents = _links(tree, order)
    leaf, nodes = left == _LEAF, order.size
    values = tree.value[order, 0]
    share = values[:, 1] / values.sum(axis=1) / size
    cuts = np.nextafter(_below(tree.threshold[order]), np.float32(np.inf))
    return {
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(tree.n_features),
            "num_nodes": str(nodes),
            "size_leaf_vector": "1",
        },
        "id": number,
        "loss_changes": [0.0] * nodes,
        "sum_hessian": tree.weighted_n_node_samples[order].tolist(),
        "base_weights": share.tolist(),
        "left_children": left.tolist(),
        "right_children": right.tolist(),
        "parents": parents.tolist(),
        "split_indices": np.where(leaf, 0, tree.feature[order]).tolist(),
        "split_conditions": np.where(leaf, share, cuts).astype(float).tolist(),
        "split_type": [0] * nodes,
        "default_left": [0] * nodes,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
    }


def _below(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that is not above the threshold."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _siblings_side_by_side(tree: Any) -> NDArray[np.int64]:
    """Return the nodes level by level: XGBoost finds a right child just behind the left one."""
    order = [0]
    for node in order:
        if tree.children_left[node] != _LEAF:
            order += [int(tree.children_left[node]), int(tree.children_right[node])]
    return np.array(order, dtype=np.int64)


def _links(
    tree: Any, order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each node's left child, right child and parent, in the new order's numbers."""
    new = np.empty(order.size + 1, dtype=np.int64)
    new[order] = np.arange(order.size)
    new[_LEAF] = _LEAF
    left, right = new[tree.children_left[order]], new[tree.children_right[order]]
    parents = np.full(order.size, _NO_PARENT, dtype=np.int64)
    inner = np.flatnonzero(left != _LEAF)
    parents[left[inner]] = inner
    parents[right[inner]] = inner
    return left, right, parents
