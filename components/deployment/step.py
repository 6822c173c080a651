"""The deploy, verify and promote steps, for servers on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from components.deployment.launch import launch
from components.deployment.server import Server, canary, endpoint, stop_canary
from components.deployment.verify import verify_server
from components.errors import HealthPredictError, VerificationError
from components.events import Report
from components.registry.bundle import Bundle
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore
from components.settings import Settings


def deploy(version: str, settings: Settings, report: Report) -> None:
    """Start a version beside the endpoint, as the canary that no client uses yet.

    Raises:
        InputError: the wanted port is taken.
        HealthPredictError: the server did not become ready.
    """
    state = settings.state_dir
    stop_canary(state)
    wanted = Registry(settings).version(version)
    store = BundleStore(settings.bundle_store)
    server = launch(wanted, store, settings.deploy_port, state, canary(state))
    report.add(version=version, canary=server.url)


def verify(version: str, settings: Settings, report: Report) -> None:
    """Prove that the canary serves the version's bundle; remove it when it does not.

    Raises:
        VerificationError: there is no canary of this version, or it does not answer as it should.
    """
    registry = Registry(settings)
    try:
        server = _canary_of(version, settings)
        bundle = _bundle_of(registry, version, settings)
        found = verify_server(server.url, version, bundle)
    except HealthPredictError as error:
        stop_canary(settings.state_dir)
        registry.tag(version, "verification", f"failed: {error}"[:500])
        raise
    registry.tag(version, "verification", f"passed, p95 {found.p95_ms} ms")
    report.add(
        version=version,
        golden_rows=len(bundle.golden.rows),
        largest_difference=max(found.v1_difference, found.v2_difference),
        p50_ms=found.p50_ms,
        p95_ms=found.p95_ms,
    )


def promote(version: str, settings: Settings, report: Report) -> None:
    """Make the verified canary the endpoint, then move the aliases, then stop the old server.

    The alias moves last of all, so that the registry never names a version that does not serve;
    when it cannot be moved, the endpoint goes back to the old server.

    Raises:
        VerificationError: there is no canary of this version.
    """
    state, registry = settings.state_dir, Registry(settings)
    new, old = _canary_of(version, settings), endpoint(state).read()
    example = _write_example(_bundle_of(registry, version, settings), state)
    before = registry.production()
    endpoint(state).write(new)
    try:
        if before is not None:
            registry.point(Alias.PREVIOUS, before.number)
        registry.point(Alias.PRODUCTION, version)
    except BaseException:
        _restore(old, state)
        raise
    canary(state).clear()
    if old is not None:
        old.stop()
    report.add(version=version, endpoint=new.url, example=str(example))


def _restore(old: Server | None, state: Path) -> None:
    slot = endpoint(state)
    if old is None:
        slot.clear()
    else:
        slot.write(old)
    stop_canary(state)


def _canary_of(version: str, settings: Settings) -> Server:
    server = canary(settings.state_dir).read()
    if server is None or not server.alive:
        raise VerificationError(f"no canary of version {version} is running")
    if server.version != version:
        raise VerificationError(f"the canary is version {server.version}, wanted {version}")
    return server


def _bundle_of(registry: Registry, version: str, settings: Settings) -> Bundle:
    return BundleStore(settings.bundle_store).get(registry.version(version).bundle_uri)


def _write_example(bundle: Bundle, state: Path) -> Path:
    """Write a request that can be sent as it is: the first golden row, which is synthetic."""
    path = state / "example.json"
    path.write_text(json.dumps({"instances": [bundle.golden.rows[0]]}, indent=1) + "\n", "utf-8")
    return path
