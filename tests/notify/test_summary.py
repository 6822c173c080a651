from __future__ import annotations

import json

import pytest

from components.notify.summary import Facts, Gate, RunState, Summary, summarise


@pytest.mark.parametrize(
    ("kfp_state", "state"),
    [
        ("SUCCEEDED", RunState.SUCCEEDED),
        ("COMPLETE", RunState.SUCCEEDED),
        ("CACHED", RunState.SUCCEEDED),
        ("FAILED", RunState.FAILED),
        ("CANCELLED", RunState.CANCELLED),
        ("CANCELED", RunState.CANCELLED),
        ("RUNNING", RunState.UNKNOWN),
        ("UNKNOWN", RunState.UNKNOWN),
        ("", RunState.UNKNOWN),
    ],
)
def test_the_states_of_the_local_runner_and_of_the_cluster_are_understood(
    kfp_state: str, state: RunState
) -> None:
    assert summarise("r", kfp_state, "", Facts()).state is state


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (Facts(decision=Gate.REFUSE), RunState.SUCCEEDED),
        (Facts(decision=Gate.KEEP), RunState.SUCCEEDED),
        (Facts(decision=Gate.REFUSE, failed_step="evaluate"), RunState.UNKNOWN),
        (Facts(decision=Gate.PROMOTE), RunState.UNKNOWN),
        (Facts(), RunState.UNKNOWN),
    ],
)
def test_a_run_that_kubeflow_calls_running_ended_well_where_production_was_to_stay(
    facts: Facts, state: RunState
) -> None:
    assert summarise("r", "RUNNING", "", facts).state is state


@pytest.mark.parametrize(
    ("facts", "message", "state"),
    [
        (Facts(decision=Gate.REFUSE), "", RunState.SUCCEEDED),
        (Facts(decision=Gate.KEEP), "", RunState.SUCCEEDED),
        (Facts(decision=Gate.REFUSE), "Task exit-handler-1 failed.", RunState.FAILED),
        (Facts(decision=Gate.REFUSE, failed_step="evaluate"), "", RunState.FAILED),
        (Facts(decision=Gate.PROMOTE), "", RunState.FAILED),
        (Facts(), "", RunState.FAILED),
    ],
)
def test_a_step_that_failed_once_and_then_went_well_does_not_make_the_run_a_failed_one(
    facts: Facts, message: str, state: RunState
) -> None:
    assert summarise("r", "FAILED", message, facts).state is state


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (Facts(decision=Gate.PROMOTE, version="7"), "version 7 is in production"),
        (Facts(decision=Gate.REFUSE), "the gate refused the candidate; production stays"),
        (Facts(decision=Gate.KEEP), "no drift that asks for retraining; production stays"),
        (Facts(), "no drift that asks for retraining; production stays"),
        (Facts(message="x", failed_step="y", suspects="z", decision=Gate.PROMOTE, version="7"),
         "version 7 is in production"),
    ],
)  # fmt: skip
def test_a_good_end_says_what_it_means_for_production(facts: Facts, outcome: str) -> None:
    summary = summarise("r", "SUCCEEDED", "", facts)
    assert summary.outcome == outcome
    assert summary.facts.message == summary.facts.failed_step == ""


@pytest.mark.parametrize(
    ("state", "said", "facts", "outcome"),
    [
        ("FAILED", "Task exit-handler-1 failed.", Facts("tune", "no trial"), "in tune: no trial"),
        ("FAILED", "Task exit-handler-1 failed.", Facts(suspects="tune and evaluate"),
         "Task exit-handler-1 failed; look at tune and evaluate"),
        ("FAILED", "", Facts(suspects="tune and evaluate"), "look at tune and evaluate"),
        ("FAILED", "", Facts(), "no step said why"),
        ("CANCELED", "", Facts(), "it was cancelled"),
        ("RUNNING", "", Facts(), "Kubeflow says RUNNING, so a step may have been killed"),
    ],
)  # fmt: skip
def test_a_bad_end_says_where_and_why_as_far_as_that_is_known(
    state: str, said: str, facts: Facts, outcome: str
) -> None:
    assert summarise("r", state, said, facts).outcome == outcome


def test_what_the_steps_said_goes_before_what_the_registry_recorded() -> None:
    said = Facts(message="a", decision=Gate.REFUSE, links={"report": "/r", "x": "1"})
    found = Facts(message="b", decision=Gate.PROMOTE, version="3", links={"MLflow": "m", "x": "2"})
    merged = said.or_else(found)
    assert (merged.message, merged.decision, merged.version) == ("a", Gate.REFUSE, "3")
    assert merged.links == {"report": "/r", "MLflow": "m", "x": "1"}


def test_the_line_is_one_and_holds_everything() -> None:
    facts = Facts("tune", "first\nsecond", reasons=("r1", "r2"), links={"report": "/r"})
    line = Summary("run-1", RunState.FAILED, facts, ("not sent: x\ny",)).line
    assert line == "run-1 FAILED: in tune: first second | r1 | r2 | report /r | not sent: x y"


def test_the_events_facts_are_plain_json() -> None:
    summary = summarise("run-1", "FAILED", "", Facts("tune", "no trial", reasons=("r",)))
    assert json.loads(json.dumps(summary.to_json())) == {
        "state": "FAILED",
        "message": "no trial",
        "failed_step": "tune",
        "decision": "",
        "reasons": ["r"],
        "version": "",
        "synthetic": False,
        "links": {},
        "problems": [],
    }
