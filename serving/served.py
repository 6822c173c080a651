"""What one loaded bundle does for a request, whatever protocol brought it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from serving.answers import Answers
from serving.explain import Explainer
from serving.metrics import Metrics
from serving.request_log import RequestLog
from serving.scoring import Scored, Scorer, Steps, at_once, in_turns


@dataclass(frozen=True, slots=True)
class Served:
    """A proven bundle with everything around it.

    Every method raises :class:`RequestError` for a request that the schema does not allow.
    """

    scorer: Scorer
    answers: Answers
    metrics: Metrics
    explainer: Explainer
    log: RequestLog | None

    async def predictions(self, steps: Steps, began: float) -> Any:
        """Return V1's answer to a body that was received at ``began``, read by ``steps``."""
        return self.answers.predictions(await self.scored(steps, began))

    async def scored(self, steps: Steps, began: float) -> Scored:
        """Read and score a request that was received at ``began``, and count it."""
        batch, read = await in_turns(steps), time.perf_counter()
        return self._counted(await self.scorer.score_aside(batch), began, read)

    def scored_at_once(self, steps: Steps) -> Scored:
        """Read and score a request without a pause, and count it."""
        began = time.perf_counter()
        batch, read = at_once(steps), time.perf_counter()
        return self._counted(self.scorer.score(batch), began, read)

    def _counted(self, scored: Scored, began: float, read: float) -> Scored:
        self.metrics.scored(scored, read - began, time.perf_counter() - read)
        if self.log is not None:
            self.log.add(scored)
        return scored
