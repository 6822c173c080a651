"""A release that is killed at any request, and run again, ends as if it had not been."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import pytest
from cluster_release import TIMEOUT_S, release, revision
from faulty_cluster import FaultyCluster
from kserve_controller import Controller

from components.deployment.kserve.target import KServeTarget
from components.deployment.target import Serving
from components.errors import HealthPredictError
from components.settings import Settings

Act = Callable[[KServeTarget], object]


def _deploy(number: int) -> Act:
    return lambda target: target.deploy(revision(number), TIMEOUT_S)


def _canary_at(percent: int) -> Act:
    def prepare(target: KServeTarget) -> None:
        release(target, 1)
        target.deploy(revision(2), TIMEOUT_S)
        target.shift("2", percent)

    return prepare


CASES: dict[str, tuple[Act, Act, Serving]] = {
    "a first release": (lambda target: None, _deploy(1), Serving(None, revision(1), 100)),
    "a first release's end": (_deploy(1), lambda t: t.finish("1"), Serving(revision(1))),
    "a first release's withdrawal": (_deploy(1), lambda t: t.withdraw("1"), Serving(None)),
    "a canary": (
        lambda target: release(target, 1),
        _deploy(2),
        Serving(revision(1), revision(2), 0),
    ),
    "another canary": (_canary_at(50), _deploy(3), Serving(revision(1), revision(3), 0)),
    "more pods": (
        _canary_at(10),
        lambda t: t.shift("2", 100),
        Serving(revision(1), revision(2), 100),
    ),
    "the end": (_canary_at(100), lambda t: t.finish("2"), Serving(revision(2))),
    "a withdrawal": (_canary_at(50), lambda t: t.withdraw("2"), Serving(revision(1))),
}


@pytest.mark.parametrize("delivered", [False, True], ids=["lost", "done but not answered"])
@pytest.mark.parametrize("case", CASES)
def test_a_killed_call_is_made_again(
    target: KServeTarget,
    controller: Controller,
    front: FaultyCluster,
    cluster_settings: Settings,
    case: str,
    delivered: bool,
) -> None:
    prepare, act, wanted = CASES[case]
    prepare(target)
    unsteady = KServeTarget(cluster_settings)

    for number in itertools.count():
        front.break_off(number, delivered=delivered)
        with contextlib.suppress(HealthPredictError):
            act(unsteady)
            break
        front.heal()

    assert number > 1
    assert target.serving() == wanted
    assert set(controller.restarts.values()) == {0}
