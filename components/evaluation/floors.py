"""The gate's floors: what every candidate must reach, the first one too. No force lifts them.

Where the sampling error is as large as the distance from the limit, a candidate is refused beyond
chance alone: when its value is outside and the 95 % interval, from draws of patients, reaches no
value inside. That is so for

- F1: the threshold of the best F1 calls most patients readmitted (78 % of them on the published
  file), and so F1 is little above that of calling everybody. On 400 test rows a useful model can
  fall below it by luck: there the gain was 0.014, its interval -0.009 to 0.035. A model that calls
  everybody gains exactly nothing in every draw, and is refused.
- the calibration slope and intercept: the slope's standard error is 0.05 on 3,900 test rows and
  0.2 on 400.

The intercept's range is wide because the labels move: a model fitted on every batch so far expects
more readmissions than the newest one holds when their share falls. On the published file's batches
1 to 5 it was -0.10, -0.04, -0.20, -0.13 and -0.46, and the model in production was further off.
"""

from __future__ import annotations

from components.evaluation.bootstrap import Interval
from components.evaluation.measured import Measured
from components.evaluation.metrics import Metrics
from components.evaluation.rules import GateRules, Rule, beyond_chance, signed


def floors(candidate: Measured, latency_ms: float, rules: GateRules) -> list[Rule]:
    """Return the outcome of each floor.

    Args:
        candidate: its metrics on the test rows.
        latency_ms: what scoring one raw encounter takes.
        rules: the limits.
    """
    m = candidate.metrics
    return [
        Rule(m.auc >= rules.min_auc, f"AUC {m.auc:.4f} >= floor {rules.min_auc:.4f}"),
        Rule(
            m.average_precision > m.no_skill_average_precision,
            f"average precision {m.average_precision:.4f} > no-skill "
            f"{m.no_skill_average_precision:.4f}",
        ),
        _f1(m, candidate.intervals["f1_gain"], rules.min_f1_gain),
        Rule(m.brier < m.no_skill_brier, f"Brier {m.brier:.4f} < no-skill {m.no_skill_brier:.4f}"),
        *_calibration(candidate, rules),
        Rule(
            latency_ms <= rules.max_latency_ms,
            f"scoring one encounter takes {latency_ms:.3f} ms <= {rules.max_latency_ms:.3f} ms",
        ),
    ]


def _f1(m: Metrics, gain: Interval, least: float) -> Rule:
    text = f"F1 {m.f1:.4f} - no-skill {m.no_skill_f1:.4f} = {signed(gain)} > {least:+.4f}"
    return beyond_chance(gain.value > least, gain.high > least, text)


def _calibration(candidate: Measured, rules: GateRules) -> list[Rule]:
    found = candidate.intervals
    most = rules.max_intercept
    return [
        _range("calibration slope", found["calibration_slope"], rules.min_slope, rules.max_slope),
        _range("calibration intercept", found["calibration_intercept"], -most, most),
    ]


def _range(name: str, found: Interval, least: float, most: float) -> Rule:
    return beyond_chance(
        least <= found.value <= most,
        found.low <= most and found.high >= least,
        f"{name} {found.value:.3f} (95 % {found.low:.3f} to {found.high:.3f}) in {least:.3f} to "
        f"{most:.3f}",
    )
