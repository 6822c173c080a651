"""The decision threshold, by a stated rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from components.errors import InputError

Labels = NDArray[np.int8]
Risks = NDArray[np.float64]


class Rule(StrEnum):
    """How the threshold is chosen."""

    BEST_F1 = "best_f1"
    SENSITIVITY = "sensitivity"
    COST = "cost"


@dataclass(frozen=True)
class ThresholdRule:
    """A rule with its number.

    Attributes:
        rule: ``best_f1``: the threshold of the highest F1; ``sensitivity``: the highest threshold
            that finds at least this share of the readmitted; ``cost``: 1 / (1 + cost), which is
            the least expected cost for calibrated risks when a missed readmission costs this many
            times a false alarm (Elkan 2001, "The Foundations of Cost-Sensitive Learning").
        value: the share or the cost; without meaning for ``best_f1``.
    """

    rule: Rule
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """Read ``best_f1``, ``sensitivity=0.80`` or ``cost=5``.

        Raises:
            InputError: the text is none of them.
        """
        name, _, number = text.strip().partition("=")
        value = _number(number)
        if name == Rule.BEST_F1 and not number:
            return cls(Rule.BEST_F1)
        if name == Rule.SENSITIVITY and 0 < value <= 1:
            return cls(Rule.SENSITIVITY, value)
        if name == Rule.COST and 0 < value < math.inf:
            return cls(Rule.COST, value)
        raise InputError(
            f"tune_threshold: {text!r} is none of best_f1, sensitivity=0.80 (above 0, up to 1), "
            "cost=5 (above 0)"
        )

    def choose(self, labels: Labels, risks: Risks) -> float:
        """Return the threshold that the rule gives on these rows; shapes ``(rows,)``."""
        if self.rule is Rule.COST:
            return 1 / (1 + self.value)
        if self.rule is Rule.SENSITIVITY:
            return sensitivity_threshold(labels, risks, self.value)
        return best_f1_threshold(labels, risks)


def best_f1_threshold(labels: Labels, risks: Risks) -> float:
    """Return the risk that maximises F1 on these rows; shapes ``(rows,)``."""
    precision, recall, thresholds = precision_recall_curve(labels, risks)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[int(np.argmax(f1[:-1]))])


def sensitivity_threshold(labels: Labels, risks: Risks, least: float) -> float:
    """Return the highest risk at or above which ``least`` of the positive rows lie."""
    _, found, thresholds = roc_curve(labels, risks, drop_intermediate=False)
    return float(thresholds[int(np.argmax(found >= least))])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
