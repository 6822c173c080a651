"""The model families of the search.

All three see the same float32 matrix and are exported to ONNX, so that one runtime scores them.
"""

from __future__ import annotations

from components.tuning.boosting import XGBOOST
from components.tuning.family import Family
from components.tuning.forest import RANDOM_FOREST
from components.tuning.linear import LOGISTIC_REGRESSION


def families() -> tuple[Family, ...]:
    """Return the families, cheapest first."""
    return (LOGISTIC_REGRESSION, RANDOM_FOREST, XGBOOST)


def family_named(name: str) -> Family:
    """Return the family of that name."""
    return next(family for family in families() if family.name == name)
