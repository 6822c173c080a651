"""The answers of both protocols, from a scored request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse
from numpy.typing import NDArray

from components.registry import MODEL
from components.registry.bundle import Bundle
from serving.scoring import Scored, Unseen

OUTPUTS = {"probability": "FP64", "readmitted": "BOOL"}
"""Name and datatype of each V2 output tensor; identifiers follow when they were sent."""

_Data = NDArray[np.float64] | NDArray[np.bool_] | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answers:
    """Puts what the bundle said into the protocols' forms.

    Attributes:
        bundle: that scored.
        version: the registry's version of it.
    """

    bundle: Bundle
    version: str

    def predictions(self, scored: Scored) -> dict[str, Any]:
        """Return V1's answer."""
        threshold = self.bundle.facts.threshold
        risks = scored.probabilities.tolist()
        predictions: list[dict[str, Any]] = [
            {"probability": risk, "readmitted": risk >= threshold} for risk in risks
        ]
        if any(scored.identifiers):
            for prediction, identifiers in zip(predictions, scored.identifiers, strict=True):
                prediction.update(identifiers)
        return self.told("predictions", predictions, scored.unseen)

    def told(self, name: str, rows: list[dict[str, Any]], unseen: Unseen) -> dict[str, Any]:
        """Return V1's answer that holds ``rows`` under ``name``."""
        answer = {name: rows, **self._facts()}
        return {**answer, "warnings": unseen} if unseen else answer

    def tensors(self, scored: Scored, request_id: str) -> dict[str, Any]:
        """Return V2's answer as JSON values."""
        size = [len(scored.values)]
        return {
            "id": request_id,
            "model_name": MODEL,
            "model_version": self.version,
            "parameters": self.parameters(scored.unseen),
            "outputs": [
                {"name": name, "shape": size, "datatype": datatype, "data": data.tolist()}
                for name, datatype, data in self.outputs(scored)
            ],
        }

    def response(self, scored: Scored, request: InferRequest, request_id: str) -> InferResponse:
        """Return V2's answer in kserve's form, with the outputs that the request asks for."""
        size = [len(scored.values)]
        return InferResponse(
            response_id=request_id,
            model_name=MODEL,
            model_version=self.version,
            infer_outputs=[
                InferOutput(name, size, datatype, data=data)
                for name, datatype, data in self.outputs(scored)
            ],
            parameters=self.parameters(scored.unseen),
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
        )

    def outputs(self, scored: Scored) -> Iterator[tuple[str, str, _Data]]:
        """Yield name, datatype and data of each output tensor."""
        yield "probability", OUTPUTS["probability"], scored.probabilities
        classes = scored.probabilities >= self.bundle.facts.threshold
        yield "readmitted", OUTPUTS["readmitted"], classes
        for name in scored.identifiers[0]:
            if all(name in sent for sent in scored.identifiers):
                yield name, "INT64", np.array([sent[name] for sent in scored.identifiers])

    def _facts(self) -> dict[str, Any]:
        """Return what every V1 answer says of the model."""
        facts = self.bundle.facts
        said = {"model_name": MODEL, "model_version": self.version, "bundle": self._digest}
        return {**said, "synthetic": True} if facts.synthetic else said

    def parameters(self, unseen: Unseen) -> Mapping[str, str | bool]:
        """Return what every V2 answer says of the bundle and of the request's values."""
        parameters: dict[str, str | bool] = {"bundle": self._digest}
        if self.bundle.facts.synthetic:
            parameters["synthetic"] = True
        if unseen:
            parameters["warnings"] = json.dumps(unseen)
        return parameters

    @property
    def _digest(self) -> str:
        return self.bundle.digest[:12]
