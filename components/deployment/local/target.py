"""The endpoint on this machine, as the release steps see it."""

from __future__ import annotations

from dataclasses import replace

from components.deployment.local.endpoint import Endpoint, EndpointFile, server_log
from components.deployment.local.ports import free_port
from components.deployment.local.process import Process
from components.deployment.local.router import Router
from components.deployment.local.routes import Shares
from components.deployment.local.server import Plan, Server, is_ready, launch
from components.deployment.target import Revision, Serving
from components.errors import ConflictError, VerificationError
from components.registry.bundle import load_bundle
from components.registry.store import BundleStore
from components.settings import Settings


class LocalTarget:
    """Model servers and Envoy; ``endpoint.json`` says which, and is written before each change.

    What it says is brought about again when a change was broken off: a server that is on its way
    out is stopped, a router that is gone is started.
    """

    def __init__(self, settings: Settings) -> None:
        self._state = settings.state_dir
        self._store = BundleStore(settings.bundle_store)
        self._wanted_port = settings.deploy_port
        self._file = EndpointFile(self._state)

    def serving(self) -> Serving:
        """Return what is served now; a server that has ended serves nothing."""
        endpoint = self._file.read()
        if endpoint is None:
            return Serving(None)
        stable, canary = (_alive(side) for side in (endpoint.stable, endpoint.canary))
        return replace(endpoint, stable=stable, canary=canary).serving

    def deploy(self, revision: Revision, timeout_s: float) -> str:
        """Start a revision's server as the canary; see :class:`Target`.

        Raises:
            InputError: the wanted port is taken.
            BundleError: the stored bundle is not sound.
            HealthPredictError: the server ended, or was not ready in time.
        """
        plan = self._plan(revision)
        with self._file.locked():
            endpoint = self._settled()
            if (same := _of_model(endpoint, revision)) and is_ready(same.url):
                self._put(replace(endpoint, percent=0))
                return same.url
            endpoint = self._without_canary(endpoint)
            return self._with_canary(endpoint, plan, timeout_s).url

    def url_of(self, version: str) -> str:
        """Return the URL of a version's own server; see :class:`Target`."""
        endpoint = self._file.read()
        sides = (endpoint.canary, endpoint.stable) if endpoint else ()
        for server in sides:
            if server and server.revision.version == version and server.process.alive:
                return server.url
        raise VerificationError(f"no server of version {version} is running{_instead(endpoint)}")

    def shift(self, version: str, percent: int) -> None:
        """Give the canary this share of the requests; see :class:`Target`."""
        with self._file.locked():
            endpoint = self._settled()
            if not _is(endpoint.canary, version):
                raise VerificationError(
                    f"version {version} is not the canary any more{_instead(endpoint)}"
                )
            self._put(replace(endpoint, percent=percent))

    def finish(self, version: str) -> str:
        """Make the canary the stable version and stop the old server; see :class:`Target`."""
        with self._file.locked():
            endpoint = self._settled()
            if _is(endpoint.canary, version):
                old, new = endpoint.stable, endpoint.canary
                done = replace(endpoint, stable=new, canary=None, percent=0, leaving=old)
                endpoint = self._left(self._put(done))
            elif not _is(endpoint.stable, version):
                raise VerificationError(f"version {version} does not serve{_instead(endpoint)}")
            return endpoint.url

    def withdraw(self, version: str = "") -> None:
        """Give all requests to the stable version and stop the canary; see :class:`Target`."""
        with self._file.locked():
            endpoint = self._file.read()
            if endpoint and (endpoint.canary or endpoint.leaving):
                endpoint = self._settled()
                if not version or _is(endpoint.canary, version):
                    endpoint = self._without_canary(endpoint)
                if endpoint.stable is None and endpoint.canary is None:
                    self._stop(endpoint)

    def serve(self, revision: Revision, timeout_s: float) -> Endpoint:
        """Serve a version at once, with no canary, for example after a restart of the machine."""
        plan = self._plan(revision)
        with self._file.locked():
            endpoint = self._without_canary(self._settled())
            if not (_is(endpoint.stable, revision.version) and _alive(endpoint.stable)):
                endpoint = replace(endpoint, stable=None)
                server = self._with_canary(endpoint, plan, timeout_s)
                endpoint = self._put(replace(endpoint, stable=server))
            return endpoint

    def stop(self) -> None:
        """Stop every server and the router."""
        with self._file.locked():
            if endpoint := self._file.read():
                self._stop(endpoint)

    def _plan(self, revision: Revision) -> Plan:
        folder = self._store.fetch(revision.bundle_uri, self._state / "cache" / "bundles")
        synthetic = load_bundle(folder).facts.synthetic
        return Plan(revision, folder, synthetic, server_log(self._state, revision.version))

    def _settled(self) -> Endpoint:
        """Return the endpoint with its router running and nothing left of a broken-off change."""
        endpoint = self._file.read()
        if endpoint is None or not endpoint.router.alive:
            endpoint = self._with_router(endpoint)
        return self._left(self._put(endpoint))

    def _with_router(self, endpoint: Endpoint | None) -> Endpoint:
        port = free_port(self._wanted_port or (endpoint.port if endpoint else 0))

        def note(process: Process) -> None:
            known = endpoint or Endpoint(process, port)
            self._file.write(replace(known, router=process, port=port))

        Router(self._state, port).start(note)
        return self._known()

    def _known(self) -> Endpoint:
        endpoint = self._file.read()
        if endpoint is None:
            raise ConflictError(f"{self._file.path}: somebody removed it; run again")
        return endpoint

    def _with_canary(self, endpoint: Endpoint, plan: Plan, timeout_s: float) -> Server:
        def note(server: Server) -> None:
            self._file.write(replace(endpoint, canary=server, percent=0))

        try:
            server = launch(plan, note, timeout_s)
        except BaseException:
            self._file.write(endpoint)
            if endpoint.stable is None:
                self._stop(endpoint)
            raise
        self._put(replace(endpoint, canary=server, percent=0))
        return server

    def _without_canary(self, endpoint: Endpoint) -> Endpoint:
        if endpoint.canary is None:
            return endpoint
        kept = replace(endpoint, canary=None, percent=0, leaving=endpoint.canary)
        return self._left(self._put(kept))

    def _put(self, endpoint: Endpoint) -> Endpoint:
        """Write what is to be, and bring it about."""
        self._file.write(endpoint)
        canary = _alive(endpoint.canary)
        shares = Shares(endpoint.stable, canary, endpoint.percent if canary else 0)
        without = (endpoint.leaving, None if canary else endpoint.canary)
        leaving = [server for server in without if server]
        Router(self._state, endpoint.port).route(shares, endpoint.router, leaving)
        return endpoint

    def _left(self, endpoint: Endpoint) -> Endpoint:
        """Stop the server that gets no request any more."""
        if endpoint.leaving is None:
            return endpoint
        endpoint.leaving.process.stop()
        settled = replace(endpoint, leaving=None)
        self._file.write(settled)
        return settled

    def _stop(self, endpoint: Endpoint) -> None:
        endpoint.router.stop()  # first: a server ends at once when nobody is connected to it
        for server in (endpoint.canary, endpoint.stable, endpoint.leaving):
            if server:
                server.process.stop()
        self._file.clear()


def _is(server: Server | None, version: str) -> bool:
    return server is not None and server.revision.version == version


def _alive(server: Server | None) -> Server | None:
    return server if server and server.process.alive else None


def _of_model(endpoint: Endpoint, revision: Revision) -> Server | None:
    """Return the server that serves the revision already."""
    sides = (endpoint.canary, endpoint.stable)
    return next((s for s in sides if s and revision.same_model(s.revision)), None)


def _instead(endpoint: Endpoint | None) -> str:
    """Say what is there in the place of what was asked for."""
    said = endpoint.serving.described if endpoint else ""
    return f"; {said}" if said else ""
