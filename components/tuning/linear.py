"""Logistic regression with an elastic net; it grows by passes of SAGA over the rows.

SAGA: Defazio et al. 2014, arXiv 1407.0202. Each step goes on from the last one's coefficients.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ray import tune
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from components.tuning.family import Family, Growth, Labels, Matrices, Matrix, Parameters, counted

STEP_PASSES = 5
MOST_PASSES = 60


@dataclass(frozen=True)
class _Scaled:
    x: Matrix
    y: Labels
    validation: Matrix


def _space() -> dict[str, Any]:
    return {"C": tune.loguniform(3e-3, 1.0), "l1_ratio": tune.uniform(0.0, 1.0)}


def _prepare(data: Matrices) -> _Scaled:
    scaler = StandardScaler().fit(data.x_train)
    return _Scaled(
        scaler.transform(data.x_train), data.y_train, scaler.transform(data.x_validation)
    )


def _steps(
    parameters: Parameters, passes: int, x: Matrix, y: Labels, seed: int
) -> Iterator[tuple[int, LogisticRegression]]:
    model = LogisticRegression(
        **parameters,
        solver="saga",
        max_iter=STEP_PASSES,
        tol=1e-3,
        warm_start=True,
        random_state=seed,
    )
    for done in range(STEP_PASSES, passes + 1, STEP_PASSES):
        with warnings.catch_warnings():
            # A step is not meant to converge: the validation AUC says when it is enough.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y)
        yield done, model


def _grow(parameters: Parameters, scaled: _Scaled, seed: int) -> Iterator[Growth]:
    for passes, model in _steps(parameters, MOST_PASSES, scaled.x, scaled.y, seed):
        yield Growth(passes, model.predict_proba(scaled.validation)[:, 1])


def _fit(parameters: Parameters, resource: int, x: Matrix, y: Labels, seed: int) -> Pipeline:
    scaler = StandardScaler().fit(x)
    *_, (_, model) = _steps(parameters, resource, scaler.transform(x), y, seed)
    return make_pipeline(scaler, model)


LOGISTIC_REGRESSION = Family(
    name="logistic_regression",
    space=_space,
    start=({"C": 0.1, "l1_ratio": 0.5},),
    prepare=_prepare,
    grow=_grow,
    fit=_fit,
    resource=MOST_PASSES,
    patience=3 * STEP_PASSES,
    progress=counted,
    grace=2.0 * STEP_PASSES,
    share=0.125,
)
