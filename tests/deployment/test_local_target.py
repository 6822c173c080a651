"""The endpoint on this machine: real model servers behind a real Envoy."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace

import httpx
import psutil
import pytest
from asking import ROWS, asking
from releasing import Releases
from serving_process import PREDICT

from components.deployment.local.endpoint import EndpointFile
from components.deployment.local.ports import free_port
from components.deployment.local.process import STOP_SECONDS, Process
from components.deployment.local.target import LocalTarget
from components.deployment.target import Revision
from components.errors import HealthPredictError, InputError, VerificationError

READY_SECONDS = 60
LOWEST_EPHEMERAL_PORT = 32768  # Linux; others begin higher


def _revision(releases: Releases, seed: int) -> Revision:
    version = releases.version(releases.register(seed))
    return Revision(version.number, version.bundle_uri, "test-run")


def _first(releases: Releases) -> LocalTarget:
    """Serve version 1."""
    target = releases.target
    revision = _revision(releases, 1)
    target.deploy(revision, READY_SECONDS)
    target.shift(revision.version, 100)
    target.finish(revision.version)
    return target


def _share(url: str, version: str, requests: int = 400) -> float:
    with httpx.Client(trust_env=False) as client:
        body = {"instances": [ROWS[0]]}
        found = [client.post(url + PREDICT, json=body).json() for _ in range(requests)]
    answered = [answer["model_version"] for answer in found]
    return answered.count(version) / requests


def test_the_canary_gets_the_share_that_it_is_given(releases: Releases) -> None:
    target = _first(releases)
    revision, url = _revision(releases, 2), releases.endpoint().url
    target.deploy(revision, READY_SECONDS)
    shares = {}
    for percent in (0, 10, 50, 100):
        target.shift(revision.version, percent)
        shares[percent] = _share(url, revision.version)
    assert shares[0] == 0
    assert 0.04 < shares[10] < 0.17  # 400 requests: sd 0.015
    assert 0.40 < shares[50] < 0.60
    assert shares[100] == 1


def test_before_the_first_release_the_endpoint_says_that_nothing_serves(
    releases: Releases,
) -> None:
    revision = _revision(releases, 1)
    releases.target.deploy(revision, READY_SECONDS)
    refused = httpx.post(releases.endpoint().url + PREDICT, json={"instances": []})
    assert refused.status_code == 503
    assert refused.json() == {"error": "nothing serves yet", "details": []}
    releases.target.withdraw()
    assert EndpointFile(releases.settings.state_dir).read() is None


def test_every_step_may_be_repeated(releases: Releases) -> None:
    target = _first(releases)
    revision = _revision(releases, 2)
    urls = {target.deploy(revision, READY_SECONDS) for _ in range(2)}
    assert len(urls) == 1
    for _ in range(2):
        target.shift(revision.version, 50)
    assert target.deploy(revision, READY_SECONDS) in urls
    assert target.serving().percent == 0
    for _ in range(2):
        target.shift(revision.version, 100)
    assert len({target.finish(revision.version) for _ in range(2)}) == 1
    for _ in range(2):
        target.withdraw(revision.version)
    assert target.serving().stable == revision
    assert target.serving().canary is None


def test_a_canary_that_dies_costs_no_request(releases: Releases) -> None:
    target = _first(releases)
    revision, url = _revision(releases, 2), releases.endpoint().url
    target.deploy(revision, READY_SECONDS)
    with asking(url, releases.bundles("1", "2")) as client:
        target.shift(revision.version, 50)
        canary = releases.endpoint().canary
        assert canary
        os.kill(canary.process.pid, signal.SIGKILL)
        assert _share(url, "1") == 1
        assert target.serving().canary is None
        target.withdraw(revision.version)
    assert client.wrong == []


def test_what_was_broken_off_is_put_in_order_by_the_next_change(releases: Releases) -> None:
    target = _first(releases)
    endpoint, file = releases.endpoint(), EndpointFile(releases.settings.state_dir)
    target.deploy(_revision(releases, 2), READY_SECONDS)
    canary = releases.endpoint().canary
    assert canary
    file.write(replace(endpoint, leaving=canary))  # killed before it could be stopped
    target.withdraw()
    assert not canary.process.alive
    endpoint.router.stop()
    third = _revision(releases, 3)
    target.deploy(third, READY_SECONDS)
    target.shift(third.version, 100)
    assert releases.endpoint().port == endpoint.port
    assert _share(endpoint.url, third.version, 5) == 1


def test_a_server_that_does_not_become_ready_is_stopped_and_told(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = _first(releases)
    monkeypatch.setattr(
        "components.deployment.local.server.SERVE", ("/bin/sh", "-c", "echo broken; exit 3")
    )
    with pytest.raises(HealthPredictError, match="the model server ended: broken"):
        target.deploy(_revision(releases, 2), READY_SECONDS)
    monkeypatch.setattr(
        "components.deployment.local.server.SERVE", ("/bin/sh", "-c", "exec sleep 60")
    )
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(HealthPredictError, match="not ready in 1 s"):
        target.deploy(_revision(releases, 3), 1)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert _share(releases.endpoint().url, "1", 5) == 1


def test_only_the_canary_that_is_meant_is_shifted_and_withdrawn(releases: Releases) -> None:
    target = _first(releases)
    revision = _revision(releases, 2)
    target.deploy(revision, READY_SECONDS)
    with pytest.raises(VerificationError, match="version 7 is not the canary any more; the canary"):
        target.shift("7", 50)
    with pytest.raises(VerificationError, match="version 7 does not serve"):
        target.finish("7")
    target.withdraw("7")
    assert target.serving().canary == revision


def test_a_taken_port_is_the_users_mistake(releases: Releases) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        target = LocalTarget(releases.settings.model_copy(update={"deploy_port": port}))
        with pytest.raises(InputError, match="cannot be used"):
            target.deploy(_revision(releases, 1), READY_SECONDS)


def test_the_endpoint_listens_where_it_is_told(releases: Releases) -> None:
    port = free_port()
    target = LocalTarget(releases.settings.model_copy(update={"deploy_port": port}))
    target.serve(_revision(releases, 1), READY_SECONDS)
    assert _share(f"http://127.0.0.1:{port}", "1", 5) == 1


def test_a_free_port_is_none_that_an_outgoing_connection_may_take() -> None:
    found = {free_port() for _ in range(50)}
    assert len(found) > 1
    assert max(found) < LOWEST_EPHEMERAL_PORT


def test_a_damaged_file_is_named(releases: Releases) -> None:
    (releases.settings.state_dir / "endpoint.json").write_text('{"pid": 1}')
    with pytest.raises(HealthPredictError, match=r"endpoint\.json: is damaged"):
        releases.target.serving()
    (releases.settings.state_dir / "endpoint.json").unlink()


def test_a_pid_that_passed_to_another_process_is_not_taken_for_the_server() -> None:
    mine = psutil.Process()
    assert Process(mine.pid, mine.create_time()).alive
    impostor = Process(mine.pid, mine.create_time() - 100)
    assert not impostor.alive
    impostor.stop()
    assert STOP_SECONDS > 30  # uvicorn drains for 30 s
