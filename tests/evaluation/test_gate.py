from __future__ import annotations

import math
from dataclasses import replace

import pytest
from gating import RULES, around, candidate
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.bootstrap import Interval
from components.evaluation.comparison import Comparison
from components.evaluation.gate import Decision, decide
from components.evaluation.measured import Measured
from components.evaluation.rules import GateRules
from components.evaluation.subgroups import Subgroup

FAST = 0.05
GOOD = candidate()
SURELY_OUTSIDE = {
    "F1": candidate(f1=0.619),
    "calibration slope": candidate(calibration_slope=0.789),
    "calibration slope that is too steep": candidate(calibration_slope=1.261),
    "calibration intercept": candidate(calibration_intercept=0.211),
    "calibration intercept on the other side": candidate(calibration_intercept=-0.211),
}
WITHIN_CHANCE = {
    "F1": candidate(f1=0.621),
    "calibration slope": candidate(calibration_slope=0.791),
    "calibration slope that is too steep": candidate(calibration_slope=1.259),
    "calibration intercept": candidate(calibration_intercept=0.209),
    "calibration intercept on the other side": candidate(calibration_intercept=-0.209),
}
BELOW_A_FLOOR = {
    "AUC": candidate(auc=0.5999),
    "average precision": candidate(average_precision=0.46),
    "Brier": candidate(brier=0.2484),
    **SURELY_OUTSIDE,
    **{
        f"{name} that is no number": candidate(**{metric: math.nan})
        for name, metric in (
            ("AUC", "auc"),
            ("Brier", "brier"),
            ("F1", "f1"),
            ("calibration slope", "calibration_slope"),
            ("calibration intercept", "calibration_intercept"),
        )
    },
}


def group(level: str, difference: Interval | None) -> Subgroup:
    return Subgroup("race", level, 300, 250, 0.4, 0.4, None, difference, None, None)


GROUPS = (
    group("Caucasian", around(0.002, 0.01)),
    group("Hispanic", around(-0.012, 0.04)),
    group("Asian", None),
)
EQUAL = Comparison("3", around(0.0, 0.01), GROUPS, same_target=True, loses_real_data=False)
LOST_A_GROUP = group("Hispanic", Interval(-0.051, -0.1, -0.001))
LOST = {
    "AUC": replace(EQUAL, difference=Interval(-0.0051, -0.02, 0.01)),
    "another target": replace(EQUAL, same_target=False),
    "real data": replace(EQUAL, loses_real_data=True),
    "AUC that is no number": replace(EQUAL, difference=Interval(math.nan, 0.0, 0.0)),
    "subgroup race Hispanic": replace(EQUAL, subgroups=(GROUPS[0], LOST_A_GROUP)),
    "subgroup race Other that is no number": replace(
        EQUAL, subgroups=(group("Other", around(math.nan, 0.0)),)
    ),
}
FORCED = replace(RULES, force=True)


def failed(decision: Decision) -> list[str]:
    return [reason for reason in decision.reasons if reason.startswith("FAILED: ")]


def of(decision: Decision, text: str) -> str:
    """Return the one reason about something."""
    (reason,) = [reason for reason in decision.reasons if text in reason]
    return reason


def test_a_good_candidate_is_promoted_over_an_equal_production() -> None:
    decision = decide(GOOD, FAST, EQUAL, RULES)
    assert decision.promote
    assert not decision.forced
    assert failed(decision) == []
    assert len(decision.reasons) == 9


def test_a_first_deployment_needs_the_floors_alone_and_says_so() -> None:
    decision = decide(GOOD, FAST, None, RULES)
    assert decision.promote
    assert len(decision.reasons) == 8
    assert "first deployment" in decision.reasons[-1]


def test_every_reason_says_its_value_its_interval_and_its_limit() -> None:
    decision = decide(GOOD, FAST, EQUAL, RULES)
    assert of(decision, "F1") == (
        "ok: F1 0.6600 - no-skill 0.6300 = +0.0300 (95 % +0.0200 to +0.0400) > +0.0000"
    )
    assert of(decision, "slope") == (
        "ok: calibration slope 1.010 (95 % 1.000 to 1.020) in 0.800 to 1.250"
    )
    assert "0.020 (95 % 0.010 to 0.030) in -0.200 to 0.200" in of(decision, "intercept")
    assert of(decision, " ms") == "ok: scoring one encounter takes 0.050 ms <= 20.000 ms"


@pytest.mark.parametrize("comparison", [None, EQUAL], ids=["first", "later"])
@pytest.mark.parametrize("floor", BELOW_A_FLOOR)
def test_each_floor_alone_refuses_a_candidate(floor: str, comparison: Comparison | None) -> None:
    decision = decide(BELOW_A_FLOOR[floor], FAST, comparison, RULES)
    assert not decision.promote
    (reason,) = failed(decision)
    name = floor.partition(" that")[0].partition(" on the")[0]
    assert reason.startswith(f"FAILED: {name}")


@pytest.mark.parametrize("inside", WITHIN_CHANCE)
def test_a_candidate_outside_of_a_range_by_no_more_than_chance_passes(inside: str) -> None:
    decision = decide(WITHIN_CHANCE[inside], FAST, None, RULES)
    assert decision.promote
    (owed,) = [reason for reason in decision.reasons if reason.endswith(", within chance")]
    assert owed.startswith(f"ok: {inside.partition(' that')[0].partition(' on the')[0]}")


def test_a_model_that_calls_everybody_gains_nothing_and_is_refused() -> None:
    everybody = candidate(f1=0.63)
    intervals = {**everybody.intervals, "f1_gain": Interval(0.0, 0.0, 0.0)}
    decision = decide(Measured(everybody.metrics, intervals), FAST, None, RULES)
    assert not decision.promote
    assert failed(decision) == [of(decision, "F1")]


def test_a_threshold_chosen_for_something_else_passes_where_less_f1_is_allowed() -> None:
    chosen = candidate(f1=0.58)
    assert not decide(chosen, FAST, None, RULES).promote
    assert decide(chosen, FAST, None, replace(RULES, min_f1_gain=-0.1)).promote


@pytest.mark.parametrize("latency", [20.001, math.inf, math.nan])
@pytest.mark.parametrize("rules", [RULES, FORCED], ids=["rules", "forced"])
@pytest.mark.parametrize("comparison", [None, EQUAL], ids=["first", "later"])
def test_a_slow_candidate_is_refused(
    latency: float, comparison: Comparison | None, rules: GateRules
) -> None:
    decision = decide(GOOD, latency, comparison, rules)
    assert not decision.promote
    (reason,) = failed(decision)
    assert reason.startswith("FAILED: scoring one encounter takes")


@pytest.mark.parametrize("rule", LOST)
def test_each_comparison_alone_refuses_a_candidate(rule: str) -> None:
    decision = decide(GOOD, FAST, LOST[rule], RULES)
    assert not decision.promote
    (reason,) = failed(decision)
    assert rule.partition(" that")[0] in reason
    assert "version 3" in reason


def test_the_worst_subgroup_is_named_with_its_numbers_when_all_pass() -> None:
    assert of(decide(GOOD, FAST, EQUAL, RULES), "subgroup") == (
        "ok: worst subgroup race Hispanic AUC -0.0120 (95 % -0.0520 to +0.0280) against version 3 "
        ">= -0.0500, 2 compared"
    )


def test_every_subgroup_that_lost_is_named_and_no_other() -> None:
    lost = [group(level, Interval(-0.07, -0.1, -0.01)) for level in ("Asian", "Other")]
    decision = decide(GOOD, FAST, replace(EQUAL, subgroups=(*GROUPS, *lost)), RULES)
    assert [reason.partition(" AUC")[0] for reason in failed(decision)] == [
        "FAILED: subgroup race Asian",
        "FAILED: subgroup race Other",
    ]
    assert "-0.0700 (95 % -0.1000 to -0.0100) against version 3 >= -0.0500" in failed(decision)[0]


@pytest.mark.parametrize(
    "difference",
    [Interval(-0.09, -0.18, 0.0), Interval(-0.05, -0.09, -0.01), Interval(-0.001, -0.002, -0.0005)],
    ids=["large but within chance", "at the limit", "sure but small"],
)
def test_a_loss_must_be_large_and_beyond_chance_to_count(difference: Interval) -> None:
    comparison = replace(EQUAL, subgroups=(group("Other", difference),))
    assert decide(GOOD, FAST, comparison, RULES).promote


def test_where_no_subgroup_is_large_enough_that_is_said() -> None:
    decision = decide(GOOD, FAST, replace(EQUAL, subgroups=(group("Asian", None),)), RULES)
    assert decision.promote
    assert of(decision, "subgroup") == "ok: no subgroup has more than 200 test rows to compare"


def test_the_limits_themselves_pass() -> None:
    at_the_limit = replace(EQUAL, difference=Interval(-0.005, -0.01, 0.0))
    assert decide(candidate(auc=0.6), 20.0, at_the_limit, RULES).promote


@pytest.mark.parametrize("rule", LOST)
def test_force_overrides_a_comparison_and_says_so(rule: str) -> None:
    decision = decide(GOOD, FAST, LOST[rule], FORCED)
    assert decision.promote
    assert decision.forced
    assert failed(decision)
    assert decision.reasons[-1] == "forced by gate_force against the comparison"


@pytest.mark.parametrize("comparison", [None, EQUAL, *LOST.values()])
@pytest.mark.parametrize("floor", BELOW_A_FLOOR)
def test_force_never_overrides_a_floor(floor: str, comparison: Comparison | None) -> None:
    decision = decide(BELOW_A_FLOOR[floor], FAST, comparison, FORCED)
    assert not decision.promote
    assert not decision.forced
    assert "forced" not in " ".join(decision.reasons)


@pytest.mark.parametrize("comparison", [None, EQUAL], ids=["first", "later"])
def test_force_is_not_named_where_it_was_not_needed(comparison: Comparison | None) -> None:
    decision = decide(GOOD, FAST, comparison, FORCED)
    assert not decision.forced
    assert "forced" not in " ".join(decision.reasons)


def test_a_synthetic_model_replaces_a_real_one_only_where_that_is_allowed() -> None:
    allowed = replace(RULES, allow_synthetic=True)
    assert not decide(GOOD, FAST, LOST["real data"], RULES).promote
    assert decide(GOOD, FAST, LOST["real data"], allowed).promote
    assert not decide(GOOD, FAST, LOST["AUC"], allowed).promote


@given(
    st.floats(0, 1), st.floats(-1, 1), st.booleans(), st.booleans(), st.booleans(), st.booleans()
)
def test_a_candidate_is_promoted_when_no_rule_failed_or_force_took_the_comparisons(
    auc: float, difference: float, same: bool, loses: bool, allow: bool, force: bool
) -> None:
    comparison = Comparison("3", Interval(difference, -1.0, 1.0), GROUPS, same, loses)
    rules = replace(RULES, allow_synthetic=allow, force=force)
    decision = decide(candidate(auc=auc), FAST, comparison, rules)
    sound = difference >= -RULES.max_auc_drop and same and (allow or not loses)
    assert decision.promote == (auc >= RULES.min_auc and (sound or force))
    assert decision.forced == (decision.promote and not sound)
    assert bool(failed(decision)) == (auc < RULES.min_auc or not sound)


@given(st.floats(-3, 3), st.floats(0, 2), st.floats(-1, 1), st.floats(0, 2))
def test_calibration_passes_exactly_when_both_intervals_touch_their_ranges(
    slope: float, slope_error: float, intercept: float, intercept_error: float
) -> None:
    found = {
        "calibration_slope": around(slope, slope_error),
        "calibration_intercept": around(intercept, intercept_error),
    }
    decision = decide(Measured(GOOD.metrics, {**GOOD.intervals, **found}), FAST, None, RULES)
    touches = [
        max(interval.low, least) <= min(interval.high, most)
        for interval, least, most in zip(found.values(), (0.8, -0.2), (1.25, 0.2), strict=True)
    ]
    assert decision.promote == all(touches)
    assert len(failed(decision)) == touches.count(False)


@given(
    st.lists(st.tuples(st.floats(-0.3, 0.3), st.floats(0, 0.3)), min_size=1, max_size=12),
    st.floats(0, 0.2),
)
def test_a_candidate_fails_for_as_many_subgroups_as_surely_lost_more_than_allowed(
    groups: list[tuple[float, float]], most: float
) -> None:
    found = tuple(group(str(n), around(*numbers)) for n, numbers in enumerate(groups))
    rules = replace(RULES, max_subgroup_drop=most)
    decision = decide(GOOD, FAST, replace(EQUAL, subgroups=found), rules)
    lost = [value for value, error in groups if value < -most and value + error < 0]
    assert len(failed(decision)) == len(lost)
    assert decision.promote == (not lost)
