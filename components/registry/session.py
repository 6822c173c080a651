"""ONNX Runtime, the one way that it is used here: on the CPU, and with nothing sent home."""

from __future__ import annotations

import os

# ONNX Runtime's own wheels report to Microsoft unless this is set before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

from components.errors import BundleError


def open_session(model: bytes, threads: int = 1) -> ort.InferenceSession:
    """Return a session for an ONNX graph.

    Args:
        model: the graph, serialised.
        threads: threads that one call may use.

    Raises:
        BundleError: the bytes are no graph that this runtime loads.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base but Exception
        raise BundleError(f"bundle: model.onnx cannot be loaded: {error}") from error
