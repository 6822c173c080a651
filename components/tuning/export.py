"""Export a fitted model to ONNX, and prove that the graph gives the model's own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx

from components.errors import BundleError
from components.registry.session import open_session

PARITY = 1e-5
"""Largest difference allowed between the model's and the graph's probabilities (both float32)."""


def export(model: Any, matrix: NDArray[np.float32]) -> bytes:
    """Export a fitted estimator to ONNX with an output ``probabilities`` of shape ``(rows, 2)``.

    Args:
        model: an ``xgboost.Booster`` or a fitted scikit-learn classifier.
        matrix: rows on which the graph must agree with the model.

    Raises:
        BundleError: the graph's probabilities differ by more than ``PARITY``.
    """
    if isinstance(model, xgb.Booster):
        inputs = [("encoded", FloatTensorType([None, matrix.shape[1]]))]
        graph = convert_xgboost(model, initial_types=inputs)
    else:
        graph = to_onnx(model, matrix[:1], options={"zipmap": False})
    content: bytes = graph.SerializeToString()
    difference = float(np.abs(_score(content, matrix) - predict(model, matrix)).max())
    if not difference <= PARITY:
        raise BundleError(f"the exported model differs from the fitted one by {difference:.1e}")
    return content


def predict(model: Any, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a fitted model's own probabilities; shape ``(rows,)``."""
    if isinstance(model, xgb.Booster):
        return np.asarray(model.inplace_predict(matrix), dtype=np.float64)
    return np.asarray(model.predict_proba(matrix)[:, 1], dtype=np.float64)


def _score(content: bytes, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    session = open_session(content, threads=0)
    name = session.get_inputs()[0].name
    return np.asarray(session.run(["probabilities"], {name: matrix})[0][:, 1], dtype=np.float64)
