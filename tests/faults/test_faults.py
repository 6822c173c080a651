"""What breaks while a version is released: production answers rightly all the time.

After each fault one more run is done, and registry and endpoint must agree.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from asking import Client
from faultproxy import Fault, FaultProxy
from killed import POINTS
from stage import Stage, Table

from components.deployment.rollout import Limits
from components.errors import HealthPredictError

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("client")]

FAULTY = Path(__file__).parents[1] / "faulty_server.py"
STEPS = ("register", "deploy", "verify", "promote")


def _one_line(error: pytest.ExceptionInfo[HealthPredictError]) -> str:
    """Return the error's line without ports, digests and temporary paths."""
    text = str(error.value)
    assert "\n" not in text
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"sha256-[0-9a-f]{64}", "sha256-...", text)
    return re.sub(r"/\S*/", ".../", text).replace("|", "/")[:160]


@pytest.mark.parametrize("point", POINTS[1:])
def test_a_run_that_is_killed(stage: Stage, table: Table, point: str) -> None:
    with stage.watched(f"kill -9: {point}", table) as said:
        done = stage.run_until(point)
        assert done.returncode == -signal.SIGKILL, done.stderr
        said.append("killed")


@pytest.mark.parametrize("point", ["canary up", "mid-shift", "before the aliases",
                                   "between the aliases", "after the aliases"])  # fmt: skip
def test_a_step_that_is_killed_and_run_again(stage: Stage, table: Table, point: str) -> None:
    with stage.watched(f"kill -9: {point}; the steps again", table) as said:
        done = stage.run_until(point)
        assert done.returncode == -signal.SIGKILL, done.stderr
        version = done.stdout.split()[0]
        stage.releases.release(version)
        stage.assert_settled(version)
        said.append(f"killed; then version {version} was promoted")


FAULTS = {
    "answers as another version": "serves version",
    "answers wrong numbers": "golden rows differ",
    "hangs": "does not answer as it should",
    "crashes at its start": "the model server ended: a fault at its start",
    "crashes under traffic": "does not answer as it should",
    "fails under traffic": "does not answer as it should|with a server's error",
    "is slow": "p95 of",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_canary_that(
    stage: Stage, table: Table, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stage.releases.production()
    releases = replace(
        stage.releases,
        rollout=replace(stage.releases.rollout, seconds=3.0, limits=Limits(100, 150.0)),
    )
    with stage.watched(f"a canary that {fault}", table) as said:
        version = stage.register()
        with monkeypatch.context() as patched:
            command = (sys.executable, str(FAULTY), fault)
            patched.setattr("components.deployment.local.server.SERVE", command)
            with pytest.raises(HealthPredictError, match=FAULTS[fault]) as refused:
                releases.release(version)
        said.append(_one_line(refused))
        assert "failed" in stage.releases.version(version).tags["verification"]
        stage.assert_settled(before)


def test_a_bundle_with_one_byte_flipped_in_the_store(stage: Stage, table: Table) -> None:
    with stage.watched("one byte of the bundle flipped in S3", table) as said:
        version = stage.register()
        with (
            stage.store.failing(Fault.FLIP, method="GET", path="model.onnx"),
            pytest.raises(HealthPredictError, match="sha256 of model") as refused,
        ):
            stage.releases.deploy(version)
        said.append(_one_line(refused))
        assert stage.releases.target.serving().canary is None


Broken = Callable[[Stage], AbstractContextManager[None]]


def _failing(server: str, fault: Fault, method: str = "") -> Broken:
    def broken(stage: Stage) -> AbstractContextManager[None]:
        proxy: FaultProxy = getattr(stage, server)
        return proxy.failing(fault, method=method)

    return broken


def _does(stage: Stage, step: str, broken: Broken) -> None:
    """Run the steps before one soundly, and that one with a broken server."""
    version = "" if step == "register" else stage.register()
    for name in STEPS:
        with broken(stage) if name == step else nullcontext():
            if name == "register":
                version = version or stage.register()
            else:
                getattr(stage.releases, name)(version)
        if name == step:
            return


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("what", "broken"),
    [
        ("the store is down", _failing("store", Fault.REFUSE)),
        ("the store hangs", _failing("store", Fault.HANG)),
        ("the registry is down", _failing("registry", Fault.REFUSE)),
        ("the registry hangs", _failing("registry", Fault.HANG)),
    ],
)
def test_a_server_that_fails(
    stage: Stage, table: Table, what: str, broken: Broken, step: str
) -> None:
    with stage.watched(f"{what} at {step}", table) as said:
        with pytest.raises(HealthPredictError) as refused:
            _does(stage, step, broken)
        said.append(_one_line(refused))


def test_a_store_that_is_full(stage: Stage, table: Table) -> None:
    with stage.watched("the store is full at register", table) as said:
        with pytest.raises(HealthPredictError, match=r"full|507|space") as refused:
            _does(stage, "register", _failing("store", Fault.FULL, "PUT"))
        said.append(_one_line(refused))


def test_the_client_was_answered_all_the_time(client: Client) -> None:
    assert client.wrong == []
    assert client.answered.total() > 1000
