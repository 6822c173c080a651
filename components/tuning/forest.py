"""Random forest; it grows by trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ray import tune
from sklearn.ensemble import RandomForestClassifier

from components.tuning.family import Family, Growth, Labels, Matrices, Matrix, Parameters, counted

STEP_TREES = 25
MOST_TREES = 200


def _space() -> dict[str, Any]:
    return {
        "min_samples_leaf": tune.lograndint(3, 40),
        "max_features": tune.uniform(0.05, 0.3),
        "max_depth": tune.randint(10, 24),
        # Trees of a part of the rows cost a part of the time and lose no AUC here.
        "max_samples": tune.uniform(0.1, 0.5),
    }


def _forest(parameters: Parameters, trees: int, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        **parameters, n_estimators=trees, random_state=seed, warm_start=True
    )


def _prepare(data: Matrices) -> Matrices:
    return data


def _grow(parameters: Parameters, data: Matrices, seed: int) -> Iterator[Growth]:
    model = _forest(parameters, 0, seed)
    for trees in range(STEP_TREES, MOST_TREES + 1, STEP_TREES):
        model.set_params(n_estimators=trees).fit(data.x_train, data.y_train)
        yield Growth(trees, model.predict_proba(data.x_validation)[:, 1])


def _fit(
    parameters: Parameters, resource: int, x: Matrix, y: Labels, seed: int
) -> RandomForestClassifier:
    # Every core: each tree has its own seed, so that the forest is the same on any number. Its
    # scores are summed on one, in the order of the trees.
    return _forest(parameters, resource, seed).set_params(n_jobs=-1).fit(x, y).set_params(n_jobs=1)


RANDOM_FOREST = Family(
    name="random_forest",
    space=_space,
    start=({"min_samples_leaf": 5, "max_features": 0.1, "max_depth": 20, "max_samples": 0.25},),
    prepare=_prepare,
    grow=_grow,
    fit=_fit,
    resource=MOST_TREES,
    patience=3 * STEP_TREES,
    progress=counted,
    grace=2.0 * STEP_TREES,
    share=0.175,
)
