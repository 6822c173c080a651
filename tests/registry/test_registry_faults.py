"""A registry that is down, slow or broken ends in one clear line, and never counts as empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from backends import MlflowServer
from faultproxy import Fault, FaultProxy
from promoting import moves, register, serving

from components.errors import PromotionUnfinished, RegistryError
from components.events import step
from components.registry.models import Registry
from components.settings import Settings

Backend = Callable[..., Settings]

BUNDLE = f"s3://bundles/sha256-{'0' * 64}"
CREATE = "model-versions/create"

OPERATIONS: dict[str, Callable[[Registry], object]] = {
    "production": lambda registry: registry.production(),
    "version": lambda registry: registry.version("1"),
    "register": lambda registry: registry.register(BUNDLE, "", {"run_id": "run-1"}),
    "promote": lambda registry: registry.promote("1", expected="", reason="first"),
    "history": lambda registry: registry.history(),
    "tag": lambda registry: registry.tag("1", "key", "value"),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow's client wait for one second, and ask once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def registry(server_settings: Backend, registry_proxy: FaultProxy, impatient: None) -> Registry:
    """Return the registry as it is seen through the proxy."""
    return Registry(server_settings(tracking_uri=registry_proxy.url))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_registry_that_is_down_is_named_with_the_cause(
    registry: Registry, registry_proxy: FaultProxy, name: str
) -> None:
    line = rf"^the registry {registry_proxy.url} does not answer: connection refused; run again"
    with registry_proxy.failing(Fault.REFUSE), pytest.raises(RegistryError, match=line) as raised:
        OPERATIONS[name](registry)
    assert "\n" not in str(raised.value)
    assert not isinstance(raised.value, PromotionUnfinished)
    assert registry.production() is None


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_registry_that_hangs_does_not_hold_a_step(
    registry: Registry, registry_proxy: FaultProxy, name: str
) -> None:
    with registry_proxy.failing(Fault.HANG), pytest.raises(RegistryError, match="timed out"):
        OPERATIONS[name](registry)


def test_a_registry_that_comes_back_is_asked_again(
    server_settings: Backend, registry_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    registry = Registry(server_settings(tracking_uri=registry_proxy.url))
    with registry_proxy.failing(Fault.LOSE, times=1):
        assert registry.production() is None


def test_a_step_ends_with_one_line(registry: Registry, registry_proxy: FaultProxy) -> None:
    with (
        registry_proxy.failing(Fault.REFUSE),
        pytest.raises(SystemExit, match=r"^evaluate: the registry \S+ does not answer: [\w ;]+$"),
        step("evaluate"),
    ):
        registry.production()


def test_what_was_being_handled_is_not_taken_for_the_cause(
    registry: Registry, registry_proxy: FaultProxy
) -> None:
    def roll_back() -> None:
        try:
            raise ValueError("the canary answers nonsense")
        except ValueError:
            registry.production()

    with registry_proxy.failing(Fault.REFUSE), pytest.raises(RegistryError) as raised:
        roll_back()
    assert "connection refused" in str(raised.value)


def test_a_password_is_not_shown(
    server_settings: Backend, registry_proxy: FaultProxy, impatient: None
) -> None:
    uri = registry_proxy.url.replace("//", "//steps:secret@")
    registry = Registry(server_settings(tracking_uri=uri))
    with registry_proxy.failing(Fault.REFUSE), pytest.raises(RegistryError) as raised:
        registry.production()
    assert "secret" not in str(raised.value)


def test_a_database_that_refuses_is_an_error_and_not_an_empty_registry(
    server_settings: Backend, mlflow_server: MlflowServer, impatient: None
) -> None:
    registry = Registry(server_settings())
    assert registry.production() is None
    with mlflow_server.database.closed(), pytest.raises(RegistryError, match="does not answer"):
        registry.production()


def test_a_damaged_database_is_an_error_and_not_an_empty_registry(settings: Backend) -> None:
    path = settings().state_dir / "damaged.db"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(RegistryError, match=r"damaged\.db failed: file is not a database"):
        Registry(settings(tracking_uri=f"sqlite:///{path}")).production()
    assert path.read_bytes() == b"no database" * 500


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
@pytest.mark.parametrize("body", [b"<html>no</html>", b'{"detail": "no"}'])
def test_a_web_server_that_is_no_registry_is_an_error_and_not_an_empty_one(
    settings: Backend, impatient: None, status: int, body: bytes
) -> None:
    with web_server(status, body) as url, pytest.raises(RegistryError, match=url):
        Registry(settings(tracking_uri=url)).production()


def test_a_version_whose_answer_was_lost_is_there_and_registered_once(
    registry: Registry, registry_proxy: FaultProxy
) -> None:
    with registry_proxy.failing(Fault.LOSE, path=CREATE), pytest.raises(RegistryError):
        OPERATIONS["register"](registry)
    assert registry.version("1").bundle_uri == BUNDLE
    assert registry.register(BUNDLE, "", {"run_id": "run-1"}).number == "1"


def test_a_version_that_mlflow_sent_twice_is_still_the_first(
    registry: Registry, registry_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with registry_proxy.failing(Fault.LOSE, path=CREATE, times=1):
        assert registry.register(BUNDLE, "", {"run_id": "run-1"}).number == "1"
    assert sum(CREATE in request for request in registry_proxy.seen) == 2


@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.HANG])
@pytest.mark.parametrize("path", [CREATE, "registered-models/alias", "model-versions/set-tag"])
def test_a_promotion_that_the_registry_breaks_off_says_so_and_is_completed_by_the_same_call(
    registry: Registry, registry_proxy: FaultProxy, fault: Fault, path: str
) -> None:
    register(registry, 2)
    registry.promote("1", expected="", reason="first")
    line = "version 2 may be in production: run this step again"
    with (
        registry_proxy.failing(fault, method="POST", path=path),
        pytest.raises(PromotionUnfinished, match=line),
    ):
        registry.promote("2", expected="1", reason="better")
    registry.promote("2", expected="1", reason="better")
    assert serving(registry) == ("2", "1")
    assert [move.to_version for move in registry.history() if move.won] == ["1", "2"]


def test_a_promotion_that_mlflow_sent_twice_counts_once(
    registry: Registry, registry_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(registry, 1)
    registry.promote("1", expected="", reason="first")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    register(registry, 2)
    with registry_proxy.failing(Fault.LOSE, path=CREATE, times=1):
        registry.promote("2", expected="1", reason="better")
    assert serving(registry) == ("2", "1")
    assert moves(registry) == [("", "1", True), ("1", "2", True), ("1", "2", False)]


@contextmanager
def web_server(status: int, body: bytes) -> Iterator[str]:
    """Answer every request the same; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the requests out of the tests' output."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
