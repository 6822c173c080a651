"""XGBoost; it grows by boosting rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from ray import tune

from components.tuning.family import Family, Growth, Labels, Matrices, Matrix, Parameters

STEP_ROUNDS = 20
MOST_ROUNDS = 600
BINS = 128


@dataclass(frozen=True)
class _Binned:
    train: xgb.QuantileDMatrix
    validation: xgb.QuantileDMatrix


def _space() -> dict[str, Any]:
    # Narrowed to what wins on this data: slow learning, heavy leaves.
    return {
        "eta": tune.loguniform(0.03, 0.08),
        "max_depth": tune.randint(4, 8),
        "min_child_weight": tune.loguniform(20.0, 200.0),
        "subsample": tune.uniform(0.6, 1.0),
        "colsample_bytree": tune.uniform(0.1, 0.6),
        "lambda": tune.loguniform(0.5, 20.0),
    }


def settings(parameters: Parameters, seed: int, threads: int) -> dict[str, Any]:
    """Return XGBoost's settings of a trial."""
    fixed = {"objective": "binary:logistic", "tree_method": "hist", "seed": seed}
    return {**parameters, **fixed, "nthread": threads, "max_bin": BINS}


def _prepare(data: Matrices) -> _Binned:
    train = xgb.QuantileDMatrix(data.x_train, data.y_train, max_bin=BINS, nthread=1)
    validation = xgb.QuantileDMatrix(data.x_validation, ref=train, max_bin=BINS, nthread=1)
    return _Binned(train, validation)


def _grow(parameters: Parameters, binned: _Binned, seed: int) -> Iterator[Growth]:
    cached = [binned.train, binned.validation]
    booster = xgb.Booster(settings(parameters, seed, threads=1), cache=cached)
    for done in range(1, MOST_ROUNDS + 1):
        booster.update(binned.train, done - 1)
        if done % STEP_ROUNDS == 0:
            yield Growth(done, booster.predict(binned.validation).astype(np.float64))


def _fit(parameters: Parameters, resource: int, x: Matrix, y: Labels, seed: int) -> xgb.Booster:
    every_core = settings(parameters, seed, threads=0)
    return xgb.train(every_core, xgb.QuantileDMatrix(x, y, max_bin=BINS), resource)


def _progress(parameters: Parameters, resource: int) -> float:
    """Count rounds in steps of the learning rate.

    After the same number of rounds a slow learner looks bad whatever it will reach; after the same
    learning rate x rounds its rank is close to the final one.
    """
    return float(parameters["eta"]) * resource


XGBOOST = Family(
    name="xgboost",
    space=_space,
    start=(
        {
            "eta": 0.03,
            "max_depth": 6,
            "min_child_weight": 60.0,
            "subsample": 0.8,
            "colsample_bytree": 0.2,
            "lambda": 5.0,
        },
        {
            "eta": 0.04,
            "max_depth": 7,
            "min_child_weight": 60.0,
            "subsample": 0.8,
            "colsample_bytree": 0.2,
            "lambda": 5.0,
        },
    ),
    prepare=_prepare,
    grow=_grow,
    fit=_fit,
    resource=MOST_ROUNDS,
    patience=3 * STEP_ROUNDS,
    progress=_progress,
    grace=3.0,
    share=0.7,  # the others never won on this data, and a forest costs twice as much
)
