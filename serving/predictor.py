"""The model that KServe serves: a bundle behind both inference protocols."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import ModelNotReady
from numpy.typing import NDArray

from components.registry import MODEL
from components.registry.bundle import Bundle, load_bundle
from serving.payload import MAX_BATCH, Batch, PayloadReader


class ReadmissionPredictor(Model):
    """Scores raw encounters with one version of the model.

    It is ready when a bundle is loaded and has reproduced its golden rows, and never before, even
    though kserve declares every model that it starts ready.
    """

    def __init__(self, bundle_dir: Path, version: str, max_batch: int = MAX_BATCH) -> None:
        self._loaded: tuple[Bundle, PayloadReader] | None = None
        self._stopped = False
        super().__init__(MODEL)
        self.version = version
        self._directory = bundle_dir
        self._max_batch = max_batch

    @property
    def ready(self) -> bool:
        """Whether the model answers: its bundle is proven and it was not stopped."""
        return self._loaded is not None and not self._stopped

    @ready.setter
    def ready(self, ready: bool) -> None:
        self._stopped = not ready

    def load(self) -> bool:
        """Load the bundle and replay its golden rows.

        Raises:
            BundleError: the bundle is altered or this runtime does not reproduce its numbers; the
                model is then not ready.
        """
        self._loaded = None
        bundle = load_bundle(self._directory)
        bundle.replay_golden()
        self._loaded = bundle, PayloadReader(bundle.schema, self._max_batch)
        self.ready = True
        return self.ready

    @property
    def bundle(self) -> Bundle:
        """The bundle that is served.

        Raises:
            ModelNotReady: none is loaded.
        """
        return self._serving()[0]

    def predict(
        self,
        payload: object,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Score a V1 body or a V2 request.

        Raises:
            RequestError: the request is not what the schema allows, or has too many rows.
            ModelNotReady: no bundle is loaded.
        """
        bundle, reader = self._serving()
        if isinstance(payload, InferRequest):
            batch = reader.read_tensors(payload.inputs)
            return self._tensors(payload, bundle, batch, bundle.score_rows(batch.rows))
        batch = reader.read_instances(payload)
        return self._predictions(bundle, batch, bundle.score_rows(batch.rows))

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the V2 input tensors: one for each raw feature column."""
        return [
            {
                "name": column.name,
                "datatype": "INT64" if column.is_integer else "BYTES",
                "shape": [-1],
            }
            for column in self.bundle.schema.features
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the V2 output tensors."""
        return [
            {"name": "probability", "datatype": "FP64", "shape": [-1]},
            {"name": "readmitted", "datatype": "BOOL", "shape": [-1]},
        ]

    def _serving(self) -> tuple[Bundle, PayloadReader]:
        if self._loaded is None or self._stopped:
            raise ModelNotReady(self.name)
        return self._loaded

    def _predictions(
        self, bundle: Bundle, batch: Batch, probabilities: NDArray[np.float64]
    ) -> dict[str, Any]:
        threshold = bundle.facts.threshold
        answer: dict[str, Any] = {
            "predictions": [
                {"probability": probability, "readmitted": probability >= threshold, **identifiers}
                for probability, identifiers in zip(
                    probabilities.tolist(), batch.identifiers, strict=True
                )
            ],
            "model_name": self.name,
            "model_version": self.version,
            "bundle": bundle.digest[:12],
        }
        if bundle.facts.synthetic:
            answer["synthetic"] = True
        if warnings := bundle.encoder.unseen(batch.rows):
            answer["warnings"] = warnings
        return answer

    def _tensors(
        self,
        request: InferRequest,
        bundle: Bundle,
        batch: Batch,
        probabilities: NDArray[np.float64],
    ) -> InferResponse:
        parameters: dict[str, str | bool] = {"bundle": bundle.digest[:12]}
        if bundle.facts.synthetic:
            parameters["synthetic"] = True
        if warnings := bundle.encoder.unseen(batch.rows):
            parameters["warnings"] = json.dumps(warnings)
        shape = [len(batch.rows)]
        classes = probabilities >= bundle.facts.threshold
        return InferResponse(
            # kserve answers a request without an id with a 500, so each gets one.
            response_id=request.id or str(uuid.uuid4()),
            model_name=self.name,
            model_version=self.version,
            infer_outputs=[
                InferOutput("probability", shape, "FP64", data=probabilities),
                InferOutput("readmitted", shape, "BOOL", data=classes),
            ],
            parameters=parameters,
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
        )
