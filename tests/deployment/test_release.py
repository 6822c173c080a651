"""Deploy, verify and promote with real model servers and a real MLflow store."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from builders import tiny_bundle

from components.deployment import step as release
from components.deployment.server import (
    STOP_SECONDS,
    Server,
    canary,
    choose_port,
    endpoint,
    stop_canary,
)
from components.deployment.verify import verify_server
from components.errors import HealthPredictError, InputError, VerificationError
from components.events import Report
from components.registry.bundle import Bundle
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore, local_path
from components.settings import Settings

Register = Callable[[int], str]


@pytest.fixture
def store(settings: Callable[..., Settings]) -> Iterator[Settings]:
    made = settings()
    yield made
    stop_canary(made.state_dir)
    if server := endpoint(made.state_dir).read():
        server.stop()


@pytest.fixture
def register(store: Settings, tmp_path: Path) -> Register:
    def made(seed: int) -> str:
        folder = tmp_path / f"bundle-{seed}"
        tiny_bundle(folder, seed)
        uri = BundleStore(store.bundle_store).put(folder)
        return Registry(store).register(uri, "", {}).number

    return made


def _release(version: str, store: Settings) -> Server:
    report = Report("release")
    release.deploy(version, store, report)
    release.verify(version, store, report)
    release.promote(version, store, report)
    server = endpoint(store.state_dir).read()
    assert server is not None
    return server


def _served_version(server: Server) -> str:
    metadata = httpx.get(f"{server.url}/v2/models/readmission").json()
    return str(metadata["versions"][0])


def _bundle(version: str, store: Settings) -> Bundle:
    return BundleStore(store.bundle_store).get(Registry(store).version(version).bundle_uri)


def test_a_release_replaces_the_server_and_moves_the_aliases_last(
    store: Settings, register: Register
) -> None:
    registry = Registry(store)
    first = _release(register(1), store)
    assert registry.by_alias(Alias.PREVIOUS) is None
    version = register(2)
    release.deploy(version, store, Report("deploy"))
    production = registry.production()
    assert production is not None
    assert production.number == "1"
    assert endpoint(store.state_dir).read() == first
    release.verify(version, store, Report("verify"))
    release.promote(version, store, Report("promote"))
    second = endpoint(store.state_dir).read()
    assert second is not None
    assert _served_version(second) == "2"
    aliases = {alias: registry.by_alias(alias) for alias in (Alias.PRODUCTION, Alias.PREVIOUS)}
    assert {alias: found.number for alias, found in aliases.items() if found} == {
        Alias.PRODUCTION: "2",
        Alias.PREVIOUS: "1",
    }
    assert not first.alive
    assert canary(store.state_dir).read() is None


def test_a_stored_bundle_that_was_altered_never_becomes_a_canary(
    store: Settings, register: Register
) -> None:
    serving = _release(register(1), store)
    version = register(2)
    folder = local_path(Registry(store).version(version).bundle_uri)
    assert folder is not None
    model = bytearray((folder / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "model.onnx").write_bytes(model)
    with pytest.raises(HealthPredictError, match="sha256 of model"):
        release.deploy(version, store, Report("deploy"))
    assert canary(store.state_dir).read() is None
    assert _served_version(serving) == "1"


def test_a_canary_that_serves_another_version_is_removed_and_production_stays(
    store: Settings, register: Register
) -> None:
    serving = _release(register(1), store)
    release.deploy(register(2), store, Report("deploy"))
    other = canary(store.state_dir).read()
    assert other is not None
    wanted = register(3)
    with pytest.raises(VerificationError, match="the canary is version 2, wanted 3"):
        release.verify(wanted, store, Report("verify"))
    assert not other.alive
    assert "failed" in Registry(store).version(wanted).tags["verification"]
    assert endpoint(store.state_dir).read() == serving
    with pytest.raises(VerificationError, match="no canary"):
        release.promote(wanted, store, Report("promote"))
    production = Registry(store).production()
    assert production is not None
    assert production.number == "1"


def test_a_server_with_other_numbers_fails_verification(
    store: Settings, register: Register
) -> None:
    server = _release(register(1), store)
    other = _bundle(register(2), store)
    with pytest.raises(VerificationError, match="serves bundle"):
        verify_server(server.url, "1", other)
    with pytest.raises(VerificationError, match="wanted 7"):
        verify_server(server.url, "7", _bundle("1", store))


def test_a_server_that_cannot_be_reached_fails_verification(
    store: Settings, register: Register
) -> None:
    bundle = _bundle(register(1), store)
    with pytest.raises(VerificationError, match="does not answer"):
        verify_server(f"http://127.0.0.1:{choose_port(0)}", "1", bundle)


def test_when_the_alias_cannot_be_moved_the_old_server_goes_on_serving(
    store: Settings, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = _release(register(1), store)
    version = register(2)
    release.deploy(version, store, Report("deploy"))
    new = canary(store.state_dir).read()
    assert new is not None

    def unreachable(self: Registry, alias: Alias, number: str) -> None:
        raise ConnectionError("the registry does not answer")

    monkeypatch.setattr(Registry, "point", unreachable)
    with pytest.raises(ConnectionError):
        release.promote(version, store, Report("promote"))
    assert endpoint(store.state_dir).read() == serving
    assert _served_version(serving) == "1"
    assert not new.alive


def test_a_taken_port_is_the_users_mistake(
    store: Settings, register: Register, settings: Callable[..., Settings]
) -> None:
    version = register(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = store.model_copy(update={"deploy_port": taken.getsockname()[1]})
        with pytest.raises(InputError, match="cannot be used"):
            release.deploy(version, wanted, Report("deploy"))
    assert canary(store.state_dir).read() is None


def test_a_pid_that_passed_to_another_process_is_not_taken_for_the_server(
    store: Settings, register: Register
) -> None:
    server = _release(register(1), store)
    impostor = Server(
        server.pid, server.started - 100, server.port, "1", server.bundle_uri, synthetic=True
    )
    assert server.alive
    assert not impostor.alive
    impostor.stop()
    assert server.alive
    assert STOP_SECONDS > 30  # uvicorn drains for 30 s
