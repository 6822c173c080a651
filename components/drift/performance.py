"""What the batch's labels say, where they have arrived: label drift and production's AUC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import norm

from components.drift.auc import Estimate, auc, auc_error, clustered_se
from components.drift.statistics import psi
from components.features.target import LABEL, Target

_Z = float(norm.ppf(0.999))
"""One-sided 99.9 %. Of 2,000 calm batches of 2,000 encounters 1.7 % would raise a false alarm at
99 %, 0.3 % do at 99.9 %; labels half of which are drawn anew are still seen in 99.7 %."""


@dataclass(frozen=True, slots=True)
class LabelDrift:
    """Change of the share of readmissions, reference to batch."""

    before: float
    after: float
    change: Estimate
    psi: float


@dataclass(frozen=True, slots=True)
class AucDrop:
    """Production's AUC when it was promoted and on the batch.

    Attributes:
        promotion: on the test rows of its own training, which it was promoted on.
        batch: on all rows of the batch.
    """

    promotion: Estimate
    batch: Estimate

    @property
    def value(self) -> float:
        """AUC lost since promotion."""
        return self.promotion.value - self.batch.value

    @property
    def change(self) -> Estimate:
        """AUC on the batch minus AUC at promotion, with the sampling error of both."""
        return Estimate(-self.value, float(np.hypot(self.promotion.se, self.batch.se)))

    @property
    def at_least(self) -> float:
        """Lower bound of the loss, one-sided 99.9 %."""
        return self.value - _Z * self.change.se


@dataclass(frozen=True, slots=True)
class Performance:
    """What labels say; a part is ``None`` where it cannot be known.

    Attributes:
        labels: change of the readmitted share.
        production: production's AUC on the batch.
        drop: the same against its AUC at promotion.
    """

    labels: LabelDrift | None = None
    production: Estimate | None = None
    drop: AucDrop | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the parts as plain JSON."""
        lost = {"value": self.drop.value, "at_least": self.drop.at_least} if self.drop else {}
        return {**asdict(self), "drop": {**asdict(self.drop), **lost} if self.drop else None}


def has_labels(table: pa.Table) -> bool:
    """Whether every row's label has arrived."""
    return LABEL in table.column_names and table[LABEL].null_count == 0


def label_drift(reference: pa.Table, batch: pa.Table, target: Target) -> LabelDrift | None:
    """Return the change of prevalence with an interval by patient; ``None`` without labels."""
    if not (has_labels(reference) and has_labels(batch)):
        return None
    sides = [target.labels(table).astype(float) for table in (reference, batch)]
    before, after = (float(side.mean()) for side in sides)
    influence = [
        sign * (side - side.mean()) / side.size for sign, side in zip((-1, 1), sides, strict=True)
    ]
    patients = [table["patient_nbr"].to_numpy() for table in (reference, batch)]
    se = clustered_se(np.concatenate(influence), np.concatenate(patients))
    shares = (np.array([1 - share, share]) for share in (before, after))
    return LabelDrift(before, after, Estimate(after - before, se), psi(*shares))


def production_auc(risks: NDArray[np.float64], batch: pa.Table, target: Target) -> Estimate | None:
    """Return production's AUC on all rows of the batch; ``None`` without labels of both kinds."""
    if not has_labels(batch):
        return None
    return auc(target.labels(batch), risks, batch["patient_nbr"].to_numpy())


def auc_at_promotion(tags: Mapping[str, str]) -> Estimate | None:
    """Return the AUC that a version's tags recorded; ``None`` where they do not say."""
    try:
        value, rows, share = (float(tags[f"metric.{k}"]) for k in ("auc", "rows", "prevalence"))
    except KeyError:
        return None
    return Estimate(value, auc_error(value, rows * share, rows * (1 - share)))
