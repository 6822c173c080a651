from __future__ import annotations

from dataclasses import replace

import pytest

from components.drift.auc import Estimate
from components.drift.decision import DriftDecision, DriftRules, Findings, decide
from components.drift.performance import AucDrop, LabelDrift, Performance
from components.drift.statistics import ColumnDrift, Measure
from pipelines.training import training

RULES = DriftRules(psi=0.2, max_shift=0.15, classifier_auc=0.65, max_auc_drop=0.03)
W1, JS = Measure.WASSERSTEIN, Measure.JENSEN_SHANNON


def column(
    name: str, psi: float, distance: float = 0.0, p: float = 1e-9, measure: Measure = W1
) -> ColumnDrift:
    return ColumnDrift(name, psi, measure, distance, 0.0, p, p, 0.0, 0.0, 0.0)


def labels(psi: float, change: Estimate) -> LabelDrift:
    return LabelDrift(0.4, 0.4 + change.value, change, psi)


def drop(value: float, se: float = 0.005) -> Performance:
    fall = AucDrop(Estimate(0.70, se), Estimate(0.70 - value, se))
    return Performance(production=fall.batch, drop=fall)


CALM = Findings(
    2,
    "3",
    (column("age", 0.05, 0.1), column("race", 0.01, 0.05, measure=JS)),
    Estimate(0.51, 0.01),
    drop(0.0),
)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("version", ["", "3"])
def test_batch_0_always_trains(version: str, force: bool) -> None:
    found = Findings(0, version)
    assert decide(found, replace(RULES, force=force)) == DriftDecision(True, ("initial training",))


def test_without_production_a_later_batch_trains_and_says_why() -> None:
    decision = decide(replace(CALM, version=""), RULES)
    assert decision == DriftDecision(True, ("no production model yet",))


def test_a_calm_batch_needs_no_retraining_and_gives_every_number() -> None:
    decision = decide(CALM, RULES)
    assert not decision.retrain
    assert decision.reasons == (
        "no column drifted; largest PSI: age 0.050 (line 0.2), age moved by 0.100 sd (line 0.15)",
        "batch told from reference with AUC 0.510 (95 % 0.490 to 0.530), not surely above 0.65",
        "production AUC 0.700, 0.700 at promotion: no fall by more than 0.03 beyond sampling error",
    )


def test_force_retrains_on_a_calm_batch_and_says_so() -> None:
    decision = decide(CALM, replace(RULES, force=True))
    assert decision.retrain
    assert decision.reasons[0] == "forced by drift_force"
    assert decision.reasons[1:] == decide(CALM, RULES).reasons


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"columns": (column("race", 0.2, measure=JS),)}, "drifted: race PSI 0.20"),
        ({"columns": (column("age", 0.1, 0.15),)}, "drifted: age 0.15 sd"),
        ({"columns": (column("age", 0.3, 0.5),)}, "drifted: age PSI 0.30"),
        ({"classifier": Estimate(0.70, 0.01)}, "told from reference with AUC 0.700 (95 % 0.680"),
        ({"performance": drop(0.05)}, "production AUC fell by 0.050, from 0.700 to 0.650"),
        (
            {"performance": Performance(labels=labels(0.3, Estimate(0.2, 0.01)))},
            "readmitted 60.0% against 40.0% in the reference, PSI 0.30",
        ),
    ],
)
def test_each_shift_beyond_its_line_retrains_with_its_number(
    change: dict[str, object], reason: str
) -> None:
    decision = decide(replace(CALM, **change), RULES)  # type: ignore[arg-type]
    assert decision.retrain
    assert len(decision.reasons) == 1
    assert reason in decision.reasons[0]


@pytest.mark.parametrize(
    "change",
    [
        {"columns": (column("age", 0.19, 0.14, p=0.0),)},  # however small p is
        {"columns": (column("race", 0.1, 0.5, p=0.0, measure=JS),)},  # the line is one of numbers
        {"columns": (column("age", 0.5, 0.5, p=0.06),)},  # large, but chance may have done it
        {"classifier": Estimate(0.70, 0.04)},
        {"classifier": None},
        {"performance": drop(0.029, se=0.0001)},
        {"performance": drop(0.05, se=0.02)},
        {"performance": drop(-0.2)},
        {"performance": Performance()},
        {"performance": Performance(labels=labels(0.3, Estimate(0.2, 0.15)))},
        {"performance": Performance(labels=labels(0.1, Estimate(0.1, 0.001)))},
    ],
)
def test_neither_a_small_shift_nor_an_unsure_one_retrains(change: dict[str, object]) -> None:
    assert not decide(replace(CALM, **change), RULES).retrain  # type: ignore[arg-type]


def test_many_drifted_columns_are_counted_not_listed() -> None:
    columns = tuple(column(f"c{n}", 1.0) for n in range(9))
    (reason,) = decide(replace(CALM, columns=columns), RULES).reasons
    assert reason.endswith("c5 PSI 1.00 and 3 more")


def test_every_reason_is_given() -> None:
    found = Findings(3, "1", (column("age", 1.0),), Estimate(0.9, 0.01), drop(0.1))
    assert len(decide(found, RULES).reasons) == 3


def test_the_pipeline_and_the_rules_have_the_same_defaults() -> None:
    inputs = training.component_spec.inputs
    names = ("threshold", "max_shift", "classifier_auc", "max_auc_drop", "force")
    assert DriftRules() == DriftRules(*(inputs[f"drift_{name}"].default for name in names))
