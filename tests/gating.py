"""A gate's limits and measured candidates to hold against them."""

from __future__ import annotations

from components.evaluation.bootstrap import Interval
from components.evaluation.measured import Measured
from components.evaluation.metrics import MEASURED, Metrics
from components.evaluation.rules import GateRules

RULES = GateRules(
    min_auc=0.6,
    min_f1_gain=0.0,
    min_slope=0.8,
    max_slope=1.25,
    max_intercept=0.2,
    max_latency_ms=20.0,
    max_auc_drop=0.005,
    max_subgroup_drop=0.05,
    allow_synthetic=False,
    force=False,
)
_GOOD = {
    "rows": 4000.0,
    "prevalence": 0.46,
    "auc": 0.69,
    "average_precision": 0.65,
    "brier": 0.22,
    "log_loss": 0.63,
    "f1": 0.66,
    "precision": 0.55,
    "recall": 0.82,
    "calibration_slope": 1.01,
    "calibration_intercept": 0.02,
    "expected_calibration_error": 0.012,
}
_NO_SKILL = {
    "auc": 0.5,
    "average_precision": 0.46,
    "brier": 0.2484,
    "log_loss": 0.69,
    "f1": 0.63,
    "precision": 0.46,
    "recall": 1.0,
    "calibration_slope": 0.0,
    "calibration_intercept": 0.0,
    "expected_calibration_error": 0.0,
}
_ERROR = 0.01


def candidate(**changes: float) -> Measured:
    """Return a candidate that passes :data:`RULES`, but for changed metrics; each is 0.01 sure."""
    no_skill = {f"no_skill_{name}": value for name, value in _NO_SKILL.items()}
    metrics = Metrics(**{**_GOOD, **no_skill, **changes})  # type: ignore[arg-type]
    values = {name: getattr(metrics, name) for name in (*MEASURED, "f1_gain")}
    return Measured(metrics, {name: around(value, _ERROR) for name, value in values.items()})


def around(value: float, error: float) -> Interval:
    """Return a value with an interval of ``error`` on either side."""
    return Interval(value, value - error, value + error)
