"""The same model on parts of the patients, and there against production."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.evaluation.bootstrap import (
    Interval,
    Patients,
    auc_interval,
    paired_auc_difference,
)
from components.evaluation.calibration import Labels, Probabilities
from components.schema import encounter_schema

COLUMNS = ("gender", "race", "age")
LEAST_ROWS = 100
"""Below this many rows, or of one class in fewer than ten, an AUC says next to nothing."""
LEAST_COMPARED = 200
"""Up to this many rows, or with fewer than ten of one class, two models are not compared."""
_LEAST_OF_A_CLASS = 10


@dataclass(frozen=True)
class Subgroup:
    """One level of a column.

    ``prevalence`` is the share of readmitted rows, ``mean_risk`` what the model expected; ``auc``
    is ``None`` where the group is too small, precision and recall where they have no denominator.
    ``difference`` is the candidate's AUC minus production's; ``None`` where the group is too small
    or there is no production.
    """

    column: str
    level: str
    rows: int
    patients: int
    prevalence: float
    mean_risk: float
    auc: Interval | None
    difference: Interval | None
    precision: float | None
    recall: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the subgroup as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Scored:
    """Rows with their risks; ``production`` are the risks of the model that serves."""

    labels: Labels
    risks: Probabilities
    patients: Patients
    production: Probabilities | None

    def part(self, inside: NDArray[np.bool_]) -> _Scored:
        production = None if self.production is None else self.production[inside]
        return _Scored(self.labels[inside], self.risks[inside], self.patients[inside], production)

    def auc(self, seed: int) -> Interval | None:
        if self.labels.size < LEAST_ROWS or not self._both_classes():
            return None
        return auc_interval(self.labels, self.risks, self.patients, seed=seed)

    def difference(self, seed: int) -> Interval | None:
        enough = self.labels.size > LEAST_COMPARED and self._both_classes()
        if self.production is None or not enough:
            return None
        return paired_auc_difference(
            self.labels, self.risks, self.production, self.patients, seed=seed
        )

    def _both_classes(self) -> bool:
        positive = int(self.labels.sum(dtype=int))
        return min(positive, self.labels.size - positive) >= _LEAST_OF_A_CLASS


def subgroups(
    table: pa.Table,
    labels: Labels,
    risks: Probabilities,
    threshold: float,
    seed: int,
    production: Probabilities | None = None,
) -> tuple[Subgroup, ...]:
    """Measure a model on each level of :data:`COLUMNS` that the rows hold.

    Args:
        table: the raw rows.
        labels: 0 or 1, shape ``(rows,)``.
        risks: the model's, shape ``(rows,)``.
        threshold: risk from which the model calls an encounter readmitted.
        seed: of the draws.
        production: the risks of the model to compare with, shape ``(rows,)``.
    """
    scored = _Scored(labels, risks, table["patient_nbr"].to_numpy(), production)
    found = []
    for name in COLUMNS:
        values = np.array(table[name].to_pylist())
        for level in _levels(name, values):
            found.append(_subgroup(name, level, scored.part(values == level), threshold, seed))
    return tuple(found)


def _levels(name: str, values: NDArray[np.str_]) -> list[str]:
    """Return the levels present, in the schema's order, others last."""
    order = {level: n for n, level in enumerate(encounter_schema()[name].values)}
    return sorted(np.unique(values).tolist(), key=lambda level: order.get(level, len(order)))


def _subgroup(column: str, level: str, rows: _Scored, threshold: float, seed: int) -> Subgroup:
    called = rows.risks >= threshold
    hits, positive = int((called & (rows.labels == 1)).sum()), int(rows.labels.sum(dtype=int))
    return Subgroup(
        column,
        level,
        rows.labels.size,
        np.unique(rows.patients).size,
        float(rows.labels.mean()),
        float(rows.risks.mean()),
        rows.auc(seed),
        rows.difference(seed),
        hits / int(called.sum()) if called.any() else None,
        hits / positive if positive else None,
    )
