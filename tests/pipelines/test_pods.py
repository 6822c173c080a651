"""The pods of a run, counted on small pipelines whose pods are known."""

from collections.abc import Callable
from typing import Any

import pytest
from kfp import dsl

from pipelines.pods import pods

ROOT, GROUP, TASK = 1, 1, 2


@dsl.component(base_image="python", install_kfp_package=False)  # type: ignore[untyped-decorator]
def asked() -> bool:
    """Answer."""
    return True


def _one() -> None:
    asked()


def _branches() -> None:
    answer = asked()
    with dsl.If(answer.output == True):  # noqa: E712  # kfp's condition
        asked()
    with dsl.Else():
        asked()
        asked()


def _nested() -> None:
    with dsl.ExitHandler(asked()):
        answer = asked()
        with dsl.If(answer.output == True):  # noqa: E712
            asked()


def _loop() -> None:
    with dsl.ParallelFor([1, 2]):
        asked()


def _spec(flow: Callable[[], None]) -> Any:
    return dsl.pipeline(name="small")(flow).pipeline_spec


def test_a_task_takes_a_driver_and_an_executor_and_the_pipeline_a_driver() -> None:
    assert pods(_spec(_one)) == ROOT + TASK


def test_each_branch_takes_a_driver_and_the_longest_its_tasks() -> None:
    assert pods(_spec(_branches)) == ROOT + TASK + GROUP + 2 * GROUP + 2 * TASK


def test_an_exit_handler_and_a_condition_take_a_driver_each() -> None:
    assert pods(_spec(_nested)) == ROOT + TASK + GROUP + TASK + GROUP + TASK


def test_a_loop_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="is a loop"):
        pods(_spec(_loop))
