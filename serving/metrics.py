"""What Prometheus is told, on the registry that kserve serves at ``/metrics``."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
from kserve.metrics import EXPLAIN_HIST_TIME, PRE_HIST_TIME, PREDICT_HIST_TIME, get_labels
from prometheus_client import Counter, Gauge, Histogram

from components.registry import MODEL
from components.registry.bundle import Bundle
from serving.scoring import Scored

_RISK_BUCKETS = tuple(step / 20 for step in range(1, 21))
_ROW_BUCKETS = (1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000)

PROBABILITY = Histogram(
    "readmission_probability", "Risks that were answered", buckets=_RISK_BUCKETS
)
CLASSES = Counter("readmission_class", "Encounters by class at the threshold", ["readmitted"])
UNSEEN = Counter(
    "readmission_unseen_values", "Requests with a value that training never saw", ["column"]
)
ROWS = Histogram("readmission_request_rows", "Encounters of a request", buckets=_ROW_BUCKETS)
ERRORS = Counter("readmission_errors", "Requests answered with a server's error", ["status"])
INFO = Gauge(
    "readmission_bundle_info", "1, with what is served", ["version", "bundle", "family", "target"]
)


class Metrics:
    """Counts requests; the children of the labels are looked up once."""

    def __init__(self, bundle: Bundle, version: str) -> None:
        facts = bundle.facts
        INFO.clear()
        INFO.labels(version, bundle.digest[:12], facts.family, facts.target).set(1)
        self._threshold = facts.threshold
        self._classes = CLASSES.labels("true"), CLASSES.labels("false")
        self._read = PRE_HIST_TIME.labels(**get_labels(MODEL))
        self._predicted = PREDICT_HIST_TIME.labels(**get_labels(MODEL))
        self._explained = EXPLAIN_HIST_TIME.labels(**get_labels(MODEL))

    def explained(self) -> AbstractContextManager[object]:
        """Time the block as an explanation."""
        timer: AbstractContextManager[object] = self._explained.time()
        return timer

    def scored(self, scored: Scored, parse_seconds: float, predict_seconds: float) -> None:
        """Count a request that was answered."""
        self._read.observe(parse_seconds)
        self._predicted.observe(predict_seconds)
        ROWS.observe(len(scored.values))
        observe = PROBABILITY.observe
        for risk in scored.probabilities.tolist():
            observe(risk)
        positive = int(np.count_nonzero(scored.probabilities >= self._threshold))
        self._classes[0].inc(positive)
        self._classes[1].inc(len(scored.values) - positive)
        for column in scored.unseen:
            UNSEEN.labels(column).inc()
