"""KServe's floor: a model of constants behind ``kserve.ModelServer``, quiet, on loopback.

``python -m bench.serving_constant PORT GRPC_PORT``
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from bench.serving_plan import HOST
from grpc import aio
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

from components.registry import MODEL
from serving.logs import configure_logging

_MADE = aio.server


class Constant(Model):  # type: ignore[misc]
    """Answers one row's prediction, whatever it is asked."""

    def __init__(self) -> None:
        super().__init__(MODEL)
        self._predictions = {"predictions": [{"probability": 0.5, "readmitted": True}]}
        self._outputs = [
            InferOutput("probability", [1], "FP64", data=[0.5]),
            InferOutput("readmitted", [1], "BOOL", data=[True]),
        ]
        self.ready = True

    def predict(
        self,
        payload: object,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Return the constants in the form that was asked for."""
        if isinstance(payload, InferRequest):
            return InferResponse(payload.id, self.name, self._outputs)
        return self._predictions


class LoopbackServer(ModelServer):  # type: ignore[misc]
    """kserve's model server; left alone it listens on every interface."""

    async def _serve(self) -> None:
        self._rest_server.config.host = HOST
        await super()._serve()


def main() -> int:
    """Serve until a signal ends the process."""
    configure_logging()  # the predictor's own: warnings only, no line a request
    aio.server = _grpc_on_loopback
    server = LoopbackServer(
        http_port=int(sys.argv[1]),
        grpc_port=int(sys.argv[2]),
        workers=1,
        enable_latency_logging=False,
    )
    server.start([Constant()])
    return 0


def _grpc_on_loopback(*arguments: Any, **options: Any) -> aio.Server:
    server = _MADE(*arguments, **options)
    add = server.add_insecure_port
    server.add_insecure_port = lambda address: add(address.replace("[::]", HOST))
    return server


if __name__ == "__main__":
    sys.exit(main())
