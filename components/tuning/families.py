"""The model families: what is searched, how each grows, how each is refitted and exported.

All three see the same float32 matrix and are exported to ONNX, so that one runtime scores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from ray import tune
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]
Probabilities = NDArray[np.float64]
Parameters = Mapping[str, Any]

BOOST_ROUNDS = 500
REPORT_ROUNDS = 20
PATIENCE_ROUNDS = 60
FOREST_TREES = 200
REPORT_TREES = 25


@dataclass(frozen=True)
class Matrices:
    """Encoded rows and labels of the training and validation patients."""

    x_train: Matrix
    y_train: Labels
    x_validation: Matrix
    y_validation: Labels


@dataclass(frozen=True)
class Growth:
    """A growing model's validation probabilities after ``resource`` rounds, trees or fits."""

    resource: int
    probabilities: Probabilities


@dataclass(frozen=True)
class Family:
    """One model family.

    Attributes:
        name: as it stands in the registry.
        space: builds the search space.
        grow: fits on the training rows in steps and yields after each.
        fit: refits with known parameters and resource; returns the estimator.
        resource: the most rounds, trees or fits.
        progress: how far a configuration has learned after so much resource; what ASHA compares.
        grace: progress below which ASHA stops no trial; 0 where there is nothing to stop.
        share: share of the search's budget.
    """

    name: str
    space: Callable[[], dict[str, Any]]
    grow: Callable[[Parameters, Matrices, int], Iterator[Growth]]
    fit: Callable[[Parameters, int, Matrix, Labels, int], Any]
    resource: int
    progress: Callable[[Parameters, int], float]
    grace: float
    share: float


def _logistic_space() -> dict[str, Any]:
    return {"C": tune.loguniform(1e-3, 1.0), "l1_ratio": tune.uniform(0.0, 1.0)}


def _logistic_fit(
    parameters: Parameters, resource: int, x: Matrix, y: Labels, seed: int
) -> Pipeline:
    model = LogisticRegression(
        **parameters, solver="saga", max_iter=300, tol=1e-3, random_state=seed
    )
    return make_pipeline(StandardScaler(), model).fit(x, y)


def _logistic_grow(parameters: Parameters, data: Matrices, seed: int) -> Iterator[Growth]:
    model = _logistic_fit(parameters, 1, data.x_train, data.y_train, seed)
    yield Growth(1, model.predict_proba(data.x_validation)[:, 1])


def _forest_space() -> dict[str, Any]:
    return {
        "min_samples_leaf": tune.lograndint(5, 60),
        "max_features": tune.uniform(0.05, 0.4),
        "max_depth": tune.randint(8, 20),
    }


def _forest(parameters: Parameters, trees: int, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        **parameters, n_estimators=trees, random_state=seed, warm_start=True
    )


def _forest_fit(
    parameters: Parameters, resource: int, x: Matrix, y: Labels, seed: int
) -> RandomForestClassifier:
    return _forest(parameters, resource, seed).fit(x, y)


def _forest_grow(parameters: Parameters, data: Matrices, seed: int) -> Iterator[Growth]:
    model = _forest(parameters, 0, seed)
    for trees in range(REPORT_TREES, FOREST_TREES + 1, REPORT_TREES):
        model.set_params(n_estimators=trees).fit(data.x_train, data.y_train)
        yield Growth(trees, model.predict_proba(data.x_validation)[:, 1])


def _boosting_space() -> dict[str, Any]:
    # Narrowed to what wins on this data: slow learning, heavy leaves.
    return {
        "eta": tune.loguniform(0.02, 0.08),
        "max_depth": tune.randint(3, 8),
        "min_child_weight": tune.loguniform(10.0, 150.0),
        "subsample": tune.uniform(0.6, 1.0),
        "colsample_bytree": tune.uniform(0.2, 0.8),
        "lambda": tune.loguniform(0.5, 20.0),
    }


def _boosting_parameters(parameters: Parameters, seed: int, threads: int) -> dict[str, Any]:
    fixed = {"objective": "binary:logistic", "tree_method": "hist", "seed": seed}
    return {**parameters, **fixed, "nthread": threads, "max_bin": 128}


def _boosting_fit(
    parameters: Parameters, resource: int, x: Matrix, y: Labels, seed: int
) -> xgb.Booster:
    settings = _boosting_parameters(parameters, seed, threads=0)
    return xgb.train(settings, xgb.QuantileDMatrix(x, y, max_bin=128), resource)


def _boosting_grow(parameters: Parameters, data: Matrices, seed: int) -> Iterator[Growth]:
    """Boost until ``BOOST_ROUNDS``; the trial itself stops when it no longer improves."""
    settings = _boosting_parameters(parameters, seed, threads=1)
    train = xgb.QuantileDMatrix(data.x_train, data.y_train, max_bin=128, nthread=1)
    validation = xgb.QuantileDMatrix(data.x_validation, ref=train, max_bin=128, nthread=1)
    booster = xgb.Booster(settings, cache=[train, validation])
    for done in range(1, BOOST_ROUNDS + 1):
        booster.update(train, done - 1)
        if done % REPORT_ROUNDS == 0:
            yield Growth(done, booster.predict(validation).astype(np.float64))


def _boosting_progress(parameters: Parameters, resource: int) -> float:
    """Count rounds in steps of the learning rate.

    After the same number of rounds a slow learner looks bad whatever it will reach; after the same
    learning rate x rounds its rank is close to the final one.
    """
    return float(parameters["eta"]) * resource


def _count(parameters: Parameters, resource: int) -> float:
    return float(resource)


def families() -> tuple[Family, ...]:
    """Return the families in the order of the search: cheapest first."""
    return (
        Family(
            name="logistic_regression",
            space=_logistic_space,
            grow=_logistic_grow,
            fit=_logistic_fit,
            resource=1,
            progress=_count,
            grace=0.0,
            share=0.15,
        ),
        Family(
            name="random_forest",
            space=_forest_space,
            grow=_forest_grow,
            fit=_forest_fit,
            resource=FOREST_TREES,
            progress=_count,
            grace=50.0,
            share=0.25,
        ),
        Family(
            name="xgboost",
            space=_boosting_space,
            grow=_boosting_grow,
            fit=_boosting_fit,
            resource=BOOST_ROUNDS,
            progress=_boosting_progress,
            grace=4.0,
            share=0.6,
        ),
    )
