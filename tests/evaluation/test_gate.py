from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.bootstrap import Interval
from components.evaluation.gate import Comparison, Decision, GateRules, decide
from components.evaluation.metrics import Metrics

RULES = GateRules(min_auc=0.6, max_auc_drop=0.005, allow_synthetic=False, force=False)
GOOD = Metrics(
    rows=4000,
    prevalence=0.46,
    auc=0.69,
    average_precision=0.65,
    brier=0.22,
    log_loss=0.63,
    f1=0.66,
    precision=0.55,
    recall=0.82,
    calibration_slope=1.01,
    calibration_intercept=0.02,
    expected_calibration_error=0.012,
    no_skill_auc=0.5,
    no_skill_average_precision=0.46,
    no_skill_brier=0.2484,
    no_skill_log_loss=0.69,
    no_skill_f1=0.63,
    no_skill_precision=0.46,
    no_skill_recall=1.0,
    no_skill_calibration_slope=0.0,
    no_skill_calibration_intercept=0.0,
    no_skill_expected_calibration_error=0.0,
)
BELOW_A_FLOOR = {
    "AUC": replace(GOOD, auc=0.5999),
    "average precision": replace(GOOD, average_precision=0.46),
    "Brier": replace(GOOD, brier=0.2484),
    "AUC that is no number": replace(GOOD, auc=float("nan")),
    "Brier that is no number": replace(GOOD, brier=float("nan")),
}
EQUAL = Comparison("3", Interval(0.0, -0.01, 0.01), same_target=True, loses_real_data=False)
LOST = {
    "AUC": replace(EQUAL, difference=Interval(-0.0051, -0.02, 0.01)),
    "another target": replace(EQUAL, same_target=False),
    "real data": replace(EQUAL, loses_real_data=True),
    "AUC that is no number": replace(EQUAL, difference=Interval(float("nan"), 0.0, 0.0)),
}
FORCED = replace(RULES, force=True)


def failed(decision: Decision) -> list[str]:
    return [reason for reason in decision.reasons if reason.startswith("FAILED: ")]


def test_a_good_candidate_is_promoted_over_an_equal_production() -> None:
    decision = decide(GOOD, EQUAL, RULES)
    assert decision.promote
    assert failed(decision) == []
    assert len(decision.reasons) == 4


def test_a_first_deployment_needs_the_floors_alone_and_says_so() -> None:
    decision = decide(GOOD, None, RULES)
    assert decision.promote
    assert "first deployment" in decision.reasons[-1]


@pytest.mark.parametrize("comparison", [None, EQUAL], ids=["first", "later"])
@pytest.mark.parametrize("floor", BELOW_A_FLOOR)
def test_each_floor_alone_refuses_a_candidate(floor: str, comparison: Comparison | None) -> None:
    decision = decide(BELOW_A_FLOOR[floor], comparison, RULES)
    assert not decision.promote
    (reason,) = failed(decision)
    assert reason.startswith(f"FAILED: {floor.partition(' that')[0]}")


@pytest.mark.parametrize("rule", LOST)
def test_each_comparison_alone_refuses_a_candidate(rule: str) -> None:
    decision = decide(GOOD, LOST[rule], RULES)
    assert not decision.promote
    (reason,) = failed(decision)
    assert rule.partition(" that")[0] in reason
    assert "version 3" in reason


def test_the_limits_themselves_pass() -> None:
    at_the_limit = replace(EQUAL, difference=Interval(-0.005, -0.01, 0.0))
    assert decide(replace(GOOD, auc=0.6), at_the_limit, RULES).promote


@pytest.mark.parametrize("rule", LOST)
def test_force_overrides_a_comparison_and_says_so(rule: str) -> None:
    decision = decide(GOOD, LOST[rule], FORCED)
    assert decision.promote
    assert failed(decision)
    assert "forced by gate_force" in decision.reasons[-1]


@pytest.mark.parametrize("comparison", [None, EQUAL, *LOST.values()])
@pytest.mark.parametrize("floor", BELOW_A_FLOOR)
def test_force_never_overrides_a_floor(floor: str, comparison: Comparison | None) -> None:
    assert not decide(BELOW_A_FLOOR[floor], comparison, FORCED).promote


@pytest.mark.parametrize("comparison", [None, EQUAL], ids=["first", "later"])
def test_force_is_not_named_where_it_was_not_needed(comparison: Comparison | None) -> None:
    assert "forced" not in " ".join(decide(GOOD, comparison, FORCED).reasons)


def test_a_synthetic_model_replaces_a_real_one_only_where_that_is_allowed() -> None:
    allowed = replace(RULES, allow_synthetic=True)
    assert not decide(GOOD, LOST["real data"], RULES).promote
    assert decide(GOOD, LOST["real data"], allowed).promote
    assert not decide(GOOD, LOST["AUC"], allowed).promote


@given(
    st.floats(0, 1), st.floats(-1, 1), st.booleans(), st.booleans(), st.booleans(), st.booleans()
)
def test_a_candidate_is_promoted_when_no_rule_failed_or_force_took_the_comparisons(
    auc: float, difference: float, same: bool, loses: bool, allow: bool, force: bool
) -> None:
    comparison = Comparison("3", Interval(difference, -1.0, 1.0), same, loses)
    candidate = replace(GOOD, auc=auc)
    decision = decide(candidate, comparison, replace(RULES, allow_synthetic=allow, force=force))
    sound = difference >= -RULES.max_auc_drop and same and (allow or not loses)
    assert decision.promote == (auc >= RULES.min_auc and (sound or force))
    assert bool(failed(decision)) == (auc < RULES.min_auc or not sound)
