from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import xgboost as xgb
from builders import labels, random_rows, rows_table, tiny_encoder
from numpy.typing import NDArray

from components.errors import BundleError
from components.features.batch import encode_table
from components.tuning.export import export, predict
from components.tuning.families import families
from components.tuning.family import Matrix

TOLERANCE = 1e-6
WINNERS: dict[str, tuple[dict[str, Any], int]] = {
    "logistic_regression": ({"C": 0.1, "l1_ratio": 0.5}, 50),
    "random_forest": ({"min_samples_leaf": 5, "max_features": 0.3, "max_depth": 12}, 60),
    "xgboost": (
        {"eta": 0.1, "max_depth": 6, "min_child_weight": 5.0, "subsample": 0.8, "lambda": 1.0},
        80,
    ),
}


def encoded(seed: int, rows: int = 600) -> Matrix:
    return encode_table(tiny_encoder(), rows_table(random_rows(rows, seed)))


def truth(seed: int) -> NDArray[np.int8]:
    return np.array([label != "NO" for label in labels(random_rows(600, seed), seed)], np.int8)


def scored(graph: bytes, matrix: Matrix) -> NDArray[np.float32]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (name,) = [tensor.name for tensor in session.get_inputs()]
    probabilities: NDArray[np.float32] = session.run(["probabilities"], {name: matrix})[0]
    return probabilities


def test_there_are_parameters_for_every_family() -> None:
    assert [family.name for family in families()] == list(WINNERS)


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_the_graph_gives_the_models_own_numbers_on_rows_that_it_never_saw(family: Any) -> None:
    parameters, resource = WINNERS[family.name]
    x, y = encoded(0), truth(0)
    model = family.fit(parameters, resource, x, y, 3)
    other = encoded(1, rows=300)
    found = scored(export(model, x), other)
    own = predict(model, other)
    assert found.shape == (300, 2)
    assert np.ptp(own) > 0.1
    assert np.abs(found[:, 1] - own).max() < TOLERANCE
    assert np.abs(found.sum(axis=1) - 1).max() < TOLERANCE
    assert np.abs(scored(export(model, x), other[:1]) - found[:1]).max() < TOLERANCE


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_the_same_seed_fits_the_same_model(family: Any) -> None:
    parameters, resource = WINNERS[family.name]
    x, y = encoded(0), truth(0)
    first, second = (family.fit(parameters, resource, x, y, 3) for _ in range(2))
    assert np.array_equal(predict(first, x), predict(second, x))


def test_a_graph_that_differs_from_its_model_is_refused() -> None:
    """The graph gives a probability where this booster gives a logit."""
    x, y = encoded(0), truth(0)
    model = xgb.train(
        {"objective": "binary:logitraw", "base_score": 0.5}, xgb.QuantileDMatrix(x, y), 5
    )
    with pytest.raises(BundleError, match="the exported model differs from the fitted one by"):
        export(model, x)
