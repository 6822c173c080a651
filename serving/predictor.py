"""The model that KServe serves: a bundle behind both inference protocols."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kserve import InferRequest, InferResponse, Model
from kserve.errors import ModelNotReady

from components.registry import MODEL
from components.registry.bundle import Bundle
from serving.answers import OUTPUTS, Answers
from serving.explain import Explainer
from serving.metrics import Metrics
from serving.payload import MAX_BATCH
from serving.request_log import RequestLog
from serving.scoring import Scorer
from serving.served import Served


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is served.

    Attributes:
        max_batch: most rows of a request.
        log_dir: folder of the request log; ``None`` keeps none.
        log_share: share of the encounters that are logged.
    """

    max_batch: int = MAX_BATCH
    log_dir: Path | None = None
    log_share: float = 0.1


class ReadmissionPredictor(Model):
    """Scores raw encounters with one version of the model.

    It is ready when a bundle is loaded and has reproduced its golden rows, and never before, even
    though kserve declares every model that it starts ready. One that drains is no longer ready, so
    that no new client is sent to it, and still answers.
    """

    def __init__(self, bundle_dir: Path, version: str, options: Options | None = None) -> None:
        self._served: Served | None = None
        self._stopped = self.draining = False
        super().__init__(MODEL)
        self.version = version
        self._directory = bundle_dir
        self._options = options or Options()

    @property
    def ready(self) -> bool:
        """Whether to send requests: the bundle is proven, and the model is not to end."""
        return self.answers and not self.draining

    @ready.setter
    def ready(self, ready: bool) -> None:
        self._stopped = not ready

    @property
    def answers(self) -> bool:
        """Whether a request is answered: the bundle is proven, and the model was not stopped."""
        return self._served is not None and not self._stopped

    def load(self) -> bool:
        """Load the bundle and replay its golden rows.

        Raises:
            BundleError: the bundle is altered or this runtime does not reproduce its numbers; the
                model is then not ready.
            InputError: the request log's folder cannot be written to.
        """
        self._served = None
        self._served = self._made(Scorer(self._directory, self._options.max_batch))
        self.ready = True
        return self.ready

    def _made(self, scorer: Scorer) -> Served:
        bundle, folder = scorer.bundle, self._options.log_dir
        log = None
        if folder is not None:
            log = RequestLog(folder, self._options.log_share, scorer.names, bundle, self.version)
        answers, metrics = Answers(bundle, self.version), Metrics(bundle, self.version)
        return Served(scorer, answers, metrics, Explainer(scorer), log)

    def stop(self) -> None:
        """Write what the request log still holds."""
        if self._served is not None and self._served.log is not None:
            self._served.log.close()

    @property
    def bundle(self) -> Bundle:
        """The bundle that is served.

        Raises:
            ModelNotReady: none is loaded.
        """
        return self.served.scorer.bundle

    @property
    def served(self) -> Served:
        """What answers requests.

        Raises:
            ModelNotReady: no bundle is loaded, or the model was stopped.
        """
        if self._served is None or self._stopped:
            raise ModelNotReady(self.name)
        return self._served

    def predict(
        self,
        payload: Any,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Score a V1 body or a V2 request, without giving other requests a turn.

        Raises:
            RequestError: the request is not what the schema allows, or has too many rows.
            ModelNotReady: no bundle is loaded.
        """
        served = self.served
        if not isinstance(payload, InferRequest):
            scored = served.scored_at_once(served.scorer.instances(payload))
            return served.answers.predictions(scored)
        scored = served.scored_at_once(served.scorer.tensors(payload.inputs))
        # kserve answers a request without an id with a 500, so each gets one.
        return served.answers.response(scored, payload, payload.id or str(uuid.uuid4()))

    async def explain(
        self, payload: Any, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Explain the encounters of a V1 body; raises as :meth:`predict`.

        Raises:
            NotImplementedError: the bundle holds nothing that explains it.
        """
        served = self.served
        explanations, unseen = await served.explainer.explain(payload)
        return served.answers.told("explanations", explanations, unseen)

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
            {"name": name, "datatype": datatype, "shape": [-1]}
            for name, datatype in OUTPUTS.items()
        ]
