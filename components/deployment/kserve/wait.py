"""Wait until KServe has done what the InferenceService says."""

from __future__ import annotations

import time
from collections.abc import Callable

from components.deployment.kserve.api import Api
from components.deployment.kserve.live import Live, Predictor
from components.deployment.kserve.rollout import (
    delay,
    failure,
    is_complete,
    service_of,
    unmet,
)
from components.errors import ConflictError, HealthPredictError, VerificationError

POLL_S = 1.0
ROUTE = ("PredictorReady", "IngressReady")
"""While pods of the stable predictor are missing, KServe leaves the gateway's weights as they were,
but reports the shares of the spec, and that the ingress is ready (``createRawTopLevelHTTPRoute`` in
its httproute_reconciler.go)."""

Pick = Callable[[Live], Predictor]
"""Returns the predictor that is waited for; raises when it is not there any more."""
Missing = Callable[[], str] | None
"""Says what is waited for; ``None`` when it is there."""


class Wait:
    """Asks again and again, and says what is missing when the time is up."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def rolled_out(self, pick: Pick, seconds: float) -> None:
        """Wait until all pods of a predictor run its model and are available.

        Raises:
            ConflictError: the predictor was replaced meanwhile.
            HealthPredictError: a pod cannot start, or the time is up.
        """
        self._until(lambda live: self._rollout(live, _still(pick, live)), seconds)

    def routed(self, pick: Pick, percent: int, seconds: float) -> None:
        """Wait until KServe gives a canary its share; at 0 % the canary need not be ready.

        Raises:
            ConflictError: the canary was replaced or weighed by somebody else meanwhile.
            HealthPredictError: the time is up, as when pods of the stable predictor are missing.
        """
        self._until(lambda live: _route(live, _still(pick, live), percent), seconds)

    def settled(self, pick: Pick, seconds: float) -> None:
        """Wait until a canary that became stable runs as such.

        Raises:
            ConflictError: the predictor was replaced meanwhile.
            HealthPredictError: a pod cannot start, or the time is up.
        """

        def look(live: Live) -> Missing:
            stable = _still(pick, live)
            if stable.name in live.canary_states:
                return lambda: f"KServe still takes {stable.revision.named} for the canary"
            return self._rollout(live, stable)

        self._until(look, seconds)

    def _rollout(self, live: Live, predictor: Predictor) -> Missing:
        # KServe takes the canary's pods off the stable predictor's number.
        least = 1 if live.canary and live.canary != predictor else predictor.replicas
        deployment = self._api.deployment(service_of(predictor))
        if deployment and is_complete(deployment, predictor, max(1, least)):
            return None
        if deployment and (reason := failure(self._api, deployment, predictor)):
            raise HealthPredictError(f"{predictor.revision.named} cannot start: {reason}")
        waits = f"{predictor.revision.named} is not ready: "
        return lambda: waits + delay(self._api, live, deployment, predictor)

    def _until(self, look: Callable[[Live], Missing], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while missing := look(Live(self._api.inference_service())):
            if time.monotonic() >= deadline:
                raise HealthPredictError(f"after {seconds:g} s: {missing()}")
            time.sleep(POLL_S)


def _route(live: Live, canary: Predictor, percent: int) -> Missing:
    if live.percent != percent:
        raise ConflictError(
            f"{canary.revision.named} was given {percent} % of the requests, and somebody else "
            f"gave it {live.percent} % meanwhile"
        )
    state, blocked = live.canary_states.get(canary.name, {}), unmet(live.status, *ROUTE)
    is_ready = percent == 0 or state.get("ready")
    if state.get("trafficPercent") == percent and is_ready and not blocked:
        return None
    return lambda: (
        f"KServe does not give {canary.revision.named} {percent} % of the requests; it reports "
        f"{state or 'no state of the canary'}{blocked}"
    )


def _still(pick: Pick, live: Live) -> Predictor:
    """Return the predictor that a change of ours has put there, if it still is."""
    try:
        return pick(live)
    except VerificationError as error:
        raise ConflictError(str(error)) from error
