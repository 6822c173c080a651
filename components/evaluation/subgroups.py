"""The same model on parts of the patients."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.evaluation.bootstrap import Interval, Patients, auc_interval
from components.evaluation.calibration import Labels, Probabilities
from components.schema import encounter_schema

COLUMNS = ("gender", "race", "age")
LEAST_ROWS = 100
"""Below this many rows, or of one class in fewer than ten, an AUC says next to nothing."""
_LEAST_OF_A_CLASS = 10


@dataclass(frozen=True)
class Subgroup:
    """One level of a column.

    ``prevalence`` is the share of readmitted rows, ``mean_risk`` what the model expected; ``auc``
    is ``None`` where the group is too small, precision and recall where they have no denominator.
    """

    column: str
    level: str
    rows: int
    patients: int
    prevalence: float
    mean_risk: float
    auc: Interval | None
    precision: float | None
    recall: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the subgroup as plain JSON."""
        return asdict(self)


def subgroups(
    table: pa.Table, labels: Labels, risks: Probabilities, threshold: float, seed: int
) -> tuple[Subgroup, ...]:
    """Measure risks of shape ``(rows,)`` on each level of :data:`COLUMNS` that the rows hold."""
    patients = table["patient_nbr"].to_numpy()
    found = []
    for name in COLUMNS:
        values = np.array(table[name].to_pylist())
        for level in _levels(name, values):
            inside = values == level
            sides = labels[inside], risks[inside], patients[inside]
            found.append(_subgroup(name, level, *sides, threshold, seed))
    return tuple(found)


def _levels(name: str, values: NDArray[np.str_]) -> list[str]:
    """Return the levels present, in the schema's order, others last."""
    order = {level: n for n, level in enumerate(encounter_schema()[name].values)}
    return sorted(np.unique(values).tolist(), key=lambda level: order.get(level, len(order)))


def _subgroup(
    column: str,
    level: str,
    labels: Labels,
    risks: Probabilities,
    patients: Patients,
    threshold: float,
    seed: int,
) -> Subgroup:
    called = risks >= threshold
    hits, positive = int((called & (labels == 1)).sum()), int(labels.sum(dtype=int))
    rarer = min(positive, labels.size - positive)
    enough = labels.size >= LEAST_ROWS and rarer >= _LEAST_OF_A_CLASS
    return Subgroup(
        column,
        level,
        labels.size,
        np.unique(patients).size,
        float(labels.mean()),
        float(risks.mean()),
        auc_interval(labels, risks, patients, seed=seed) if enough else None,
        hits / int(called.sum()) if called.any() else None,
        hits / positive if positive else None,
    )
