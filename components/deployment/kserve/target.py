"""KServe's InferenceService, as the release steps see it.

Every change is one server-side apply of all that we own, with the resourceVersion that it was made
from: what somebody else changed meanwhile is read again and judged again, never overwritten.
Nothing is forced, but for the stable predictor's model when a release is finished: that changes
hands between the pipeline and persons.
"""

from __future__ import annotations

from components.deployment.kserve import NAMESPACE, plans
from components.deployment.kserve.api import Api
from components.deployment.kserve.change import Plan, change
from components.deployment.kserve.live import Live
from components.deployment.kserve.manifest import replicas_at
from components.deployment.kserve.rollout import service_of
from components.deployment.kserve.wait import Wait
from components.deployment.target import Revision, Serving
from components.errors import ConflictError
from components.settings import Settings

SETTLE_S = 300.0
"""Seconds until KServe has followed a change of weights, or of which predictor is stable."""


class KServeTarget:
    """The InferenceService ``readmission``; its manifests own all but the model and the canary."""

    def __init__(self, settings: Settings) -> None:
        """Read the cluster's configuration; no request is made.

        Raises:
            InputError: it is missing or malformed.
        """
        self._url = settings.kserve_url
        self._api = Api()
        self._wait = Wait(self._api)

    def serving(self) -> Serving:
        """Return what is served now; see :class:`Target`.

        A first release is the canary of no stable version until it is finished, and answers
        everything.
        """
        return self._read().serving

    def deploy(self, revision: Revision, timeout_s: float) -> str:
        """Start a revision as the canary; see :class:`Target`.

        Raises:
            InputError: its bundle is in no bundle store.
            HealthPredictError: its pods did not start, or were not ready in time.
        """
        other = self._read().canary
        if other and not revision.same_model(other.revision):
            self._quiet(other.revision)
        self._change(lambda live: plans.started(live, revision))
        self._wait.rolled_out(lambda live: plans.side_of(live, revision.version), timeout_s)
        return self.url_of(revision.version)

    def url_of(self, version: str) -> str:
        """Return the URL of a version's own Service; see :class:`Target`."""
        service = service_of(plans.side_of(self._read(), version))
        return self._url.format(service=service, namespace=NAMESPACE)

    def shift(self, version: str, percent: int) -> None:
        """Give the canary this share of the requests; see :class:`Target`.

        More pods come first: KServe sends it the requests as soon as one of them is ready.
        """
        live = self._read()
        if live.is_first and plans.is_of(live.stable, version):
            return
        canary = plans.canary_of(live, version)
        pods = replicas_at(percent, live.stable.replicas if live.stable else 1)
        if pods > canary.replicas:
            self._change(lambda live: plans.weighed(live, version, None, pods))
        if percent > live.percent:
            self._wait.rolled_out(lambda live: plans.canary_of(live, version), SETTLE_S)
        self._change(lambda live: plans.weighed(live, version, percent, pods))
        self._wait.routed(lambda live: plans.canary_of(live, version), percent, SETTLE_S)

    def finish(self, version: str) -> str:
        """Make the canary the stable version; see :class:`Target`.

        Its Deployment keeps its name and its pods; KServe deletes that of the old version, which
        answers nothing any more.
        """
        before = self._read()
        self._change(lambda live: plans.finished(live, before, version))
        self._wait.settled(lambda live: plans.stable_of(live, version), SETTLE_S)
        found: str = self._read().status.get("url") or self.url_of(version)
        return found

    def withdraw(self, version: str = "") -> None:
        """Give all requests to the stable version, then end the canary; see :class:`Target`.

        Raises:
            ConflictError: somebody else applied the canary.
        """
        found = self._read().serving.canary
        if found is None or version not in ("", found.version):
            return
        self._quiet(found)
        live = self._change(lambda live: plans.withdrawn(live, found))
        if live.serving.canary == found:
            raise ConflictError(f"somebody else applied the canary, it stays{live.instead}")

    def _quiet(self, revision: Revision) -> None:
        """Take the requests away from a canary, so that its pods can end."""
        live = self._change(lambda live: plans.quiet(live, revision))
        if live.canary and live.canary.revision == revision:
            self._wait.routed(lambda live: plans.canary_of(live, revision.version), 0, SETTLE_S)

    def _read(self) -> Live:
        return Live(self._api.inference_service())

    def _change(self, plan: Plan) -> Live:
        return change(self._api, plan)
