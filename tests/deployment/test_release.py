"""Deploy, verify, promote and roll back with real servers, a real router, a real MLflow store."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from asking import asking
from releasing import QUICK, Releases

from components.deployment.abandon import abandon
from components.deployment.local.endpoint import Endpoint
from components.deployment.local.ports import free_port
from components.deployment.recognise import recognise
from components.deployment.rollback import rollback
from components.deployment.rollout import Limits
from components.deployment.verify import verify_server
from components.errors import ConflictError, HealthPredictError, InputError, VerificationError
from components.events import Report
from components.registry.aliases import Alias
from components.registry.models import Registry
from components.registry.store import local_path


def _stable(endpoint: Endpoint) -> str:
    assert endpoint.stable is not None
    return endpoint.stable.revision.version


def _served_version(url: str) -> str:
    return str(httpx.get(f"{url}/v2/models/readmission").json()["versions"][0])


def _aliases(releases: Releases) -> dict[str, str]:
    found = {alias: releases.registry.by_alias(alias) for alias in Alias}
    return {alias.value: version.number for alias, version in found.items() if version}


def test_a_release_moves_the_requests_and_then_the_aliases_and_loses_no_request(
    releases: Releases,
) -> None:
    first = releases.release(releases.register(1))
    assert "previous" not in _aliases(releases)
    version = releases.register(2)
    with asking(first.url, releases.bundles("1", version)) as client:
        releases.deploy(version)
        assert releases.production() == "1"
        assert releases.target.serving().percent == 0
        assert "2" not in client.answered
        releases.verify(version)
        assert "2" not in client.answered
        report = releases.promote(version)
    second = releases.endpoint()
    assert client.wrong == []
    assert set(client.answered) == {"1", "2"}
    assert second.url == first.url == report.facts["endpoint"]
    assert _served_version(second.url) == "2"
    assert _aliases(releases) == {"candidate": "2", "production": "2", "previous": "1"}
    assert second.canary is None
    assert first.stable
    assert not first.stable.process.alive
    assert first.router.alive


def test_a_stored_bundle_that_was_altered_never_becomes_a_canary(releases: Releases) -> None:
    serving = releases.release(releases.register(1))
    version = releases.register(2)
    folder = local_path(releases.version(version).bundle_uri)
    assert folder is not None
    model = bytearray((folder / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "model.onnx").write_bytes(model)
    with pytest.raises(HealthPredictError, match="sha256 of model"):
        releases.deploy(version)
    assert releases.endpoint().canary is None
    assert "failed" in releases.version(version).tags["verification"]
    assert _served_version(serving.url) == "1"


def test_a_canary_of_another_version_is_not_verified_and_stays(releases: Releases) -> None:
    serving = releases.release(releases.register(1))
    releases.deploy(releases.register(2))
    wanted = releases.register(3)
    with pytest.raises(VerificationError, match="no server of version 3 is running; the canary is"):
        releases.verify(wanted)
    assert "failed" in releases.version(wanted).tags["verification"]
    with pytest.raises(VerificationError, match="has not been verified"):
        releases.promote(wanted)
    assert releases.production() == "1"
    canary = releases.target.serving().canary
    assert canary
    assert canary.version == "2"
    assert _served_version(serving.url) == "1"


def test_a_version_that_was_not_verified_is_never_promoted(releases: Releases) -> None:
    releases.release(releases.register(1))
    version = releases.register(2)
    releases.deploy(version)
    with pytest.raises(VerificationError, match="version 2 has not been verified"):
        releases.promote(version)
    assert releases.production() == "1"


def test_a_server_with_other_numbers_fails_verification(releases: Releases) -> None:
    endpoint = releases.release(releases.register(1))
    other, limits = releases.bundle(releases.register(2)), QUICK.limits
    with pytest.raises(VerificationError, match="serves bundle"):
        verify_server(endpoint.url, "1", other, limits)
    with pytest.raises(VerificationError, match="wanted 7"):
        verify_server(endpoint.url, "7", releases.bundle("1"), limits)
    with pytest.raises(VerificationError, match=r"p95 of 20 .* allowed 1e-06 ms"):
        verify_server(endpoint.url, "1", releases.bundle("1"), Limits(20, 1e-6))


def test_a_server_that_cannot_be_reached_fails_verification(releases: Releases) -> None:
    bundle = releases.bundle(releases.register(1))
    with pytest.raises(VerificationError, match="does not answer"):
        verify_server(f"http://127.0.0.1:{free_port()}", "1", bundle, QUICK.limits)


def test_when_the_alias_cannot_be_moved_the_requests_go_back(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = releases.release(releases.register(1))
    version = releases.register(2)
    releases.deploy(version)
    releases.verify(version)

    def unreachable(self: Registry, number: str, *, expected: str, reason: str) -> None:
        raise HealthPredictError("the registry does not answer")

    monkeypatch.setattr(Registry, "promote", unreachable)
    with (
        asking(serving.url, releases.bundles("1", version)) as client,
        pytest.raises(HealthPredictError, match="the registry does not answer"),
    ):
        releases.promote(version)
    assert client.wrong == []
    assert "2" in client.answered
    assert releases.endpoint().canary is None
    assert _served_version(serving.url) == "1"
    assert releases.production() == "1"
    assert "the registry does not answer" in releases.version(version).tags["verification"]


def test_of_two_runs_that_were_compared_with_the_same_version_one_is_promoted(
    releases: Releases,
) -> None:
    releases.release(releases.register(1))
    first, second = releases.register(2), releases.register(3)
    releases.release(second)
    with pytest.raises(ConflictError, match="compared with version 1, but production is version 3"):
        releases.deploy(first)
    assert _aliases(releases)["production"] == "3"


def test_the_later_of_two_canaries_takes_the_place_of_the_earlier(releases: Releases) -> None:
    releases.release(releases.register(1))
    first, second = releases.register(2), releases.register(3)
    releases.deploy(first)
    releases.verify(first)
    releases.deploy(second)
    with pytest.raises(VerificationError, match="the canary is version 3"):
        releases.promote(first)
    releases.verify(second)
    releases.promote(second)
    assert _aliases(releases)["production"] == "3"


def test_the_version_before_comes_back_under_load(releases: Releases) -> None:
    url = releases.release(releases.register(1)).url
    releases.release(releases.register(2))
    with asking(url, releases.bundles("1", "2")) as client:
        back = rollback("", "it was worse", QUICK, releases.settings, Report("rollback"))
    assert client.wrong == []
    assert back.number == "1"
    assert _served_version(url) == "1"
    assert _aliases(releases) == {"candidate": "2", "production": "1", "previous": "2"}
    assert "it was worse" in releases.version("2").tags["rolled_back"]
    with pytest.raises(InputError, match="version 1 is in production already"):
        rollback("1", "", QUICK, releases.settings, Report("rollback"))


def test_there_must_be_something_to_go_back_to(releases: Releases) -> None:
    with pytest.raises(InputError, match="no production version"):
        rollback("", "", QUICK, releases.settings, Report("rollback"))
    releases.release(releases.register(1))
    with pytest.raises(InputError, match="there is no previous version"):
        rollback("", "", QUICK, releases.settings, Report("rollback"))
    with pytest.raises(HealthPredictError, match="version 9 of 'readmission' does not exist"):
        rollback("9", "", QUICK, releases.settings, Report("rollback"))


def test_what_serves_is_recognised_as_production(releases: Releases) -> None:
    assert recognise(releases.settings) == ""
    releases.release(releases.register(1))
    assert recognise(releases.settings) == ""
    releases.deploy(other := releases.register(2))
    releases.target.shift(other, 100)
    releases.target.finish(other)  # as a person does: past the registry
    assert recognise(releases.settings) == "version 2 serves and is production now"
    assert _aliases(releases) == {"candidate": "2", "production": "2", "previous": "1"}
    assert recognise(releases.settings) == ""


def test_a_bundle_that_nobody_registered_is_not_recognised(releases: Releases) -> None:
    releases.release(releases.register(1))
    endpoint, unknown = releases.endpoint(), "file:///bundles/sha256-0"
    assert endpoint.stable
    revision = replace(endpoint.stable.revision, bundle_uri=unknown)
    releases.target._file.write(
        replace(endpoint, stable=replace(endpoint.stable, revision=revision))
    )
    with pytest.raises(HealthPredictError, match=f"{unknown}, which the registry does not know"):
        recognise(releases.settings)


def test_a_run_takes_away_its_own_canary_and_no_other(releases: Releases) -> None:
    releases.release(releases.register(1))
    releases.deploy(releases.register(2))
    other = releases.settings.model_copy(update={"run_id": "another-run"})
    assert abandon(other) == ""
    assert releases.target.serving().canary
    assert abandon(releases.settings) == "2"
    assert releases.target.serving().canary is None
    assert abandon(releases.settings) == ""
