from __future__ import annotations

from collections.abc import Callable

import pytest

from components.errors import HealthPredictError
from components.registry.models import Alias, Registry
from components.registry.tracking import Tracking
from components.settings import Settings

BUNDLE = f"s3://bundles/sha256-{'0' * 64}"

Backend = Callable[..., Settings]


@pytest.fixture
def registry(backend: Backend) -> Registry:
    return Registry(backend())


@pytest.fixture
def run(backend: Backend) -> str:
    return Tracking(backend()).start("test-run", synthetic=True)


def test_an_empty_registry_has_no_production_version(registry: Registry) -> None:
    assert registry.production() is None
    assert registry.by_alias(Alias.CANDIDATE) is None


def test_a_registered_version_is_the_candidate_and_not_production(
    registry: Registry, run: str
) -> None:
    made = registry.register(BUNDLE, run, {"family": "xgboost", "batch": "0"})
    assert made.number == "1"
    assert made.bundle_uri == BUNDLE
    assert registry.by_alias(Alias.CANDIDATE) == made
    assert registry.version("1") == made
    assert registry.production() is None


def test_each_bundle_gets_a_version_of_its_own_and_the_newest_is_the_candidate(
    registry: Registry, run: str
) -> None:
    numbers = [registry.register(f"{BUNDLE}{n}", run, {"n": str(n)}).number for n in range(3)]
    assert numbers == ["1", "2", "3"]
    candidate = registry.by_alias(Alias.CANDIDATE)
    assert candidate == registry.version("3")
    assert registry.version("1").bundle_uri == f"{BUNDLE}0"


def test_aliases_move_between_versions(registry: Registry, run: str) -> None:
    first, second = (registry.register(f"{BUNDLE}{n}", run, {}) for n in range(2))
    registry.point(Alias.PRODUCTION, first.number)
    assert registry.production() == first
    registry.point(Alias.PREVIOUS, first.number)
    registry.point(Alias.PRODUCTION, second.number)
    assert registry.production() == second
    assert registry.by_alias(Alias.PREVIOUS) == first
    registry.clear(Alias.CANDIDATE)
    assert registry.by_alias(Alias.CANDIDATE) is None
    assert registry.version(second.number) == second


def test_a_fact_is_recorded_on_one_version(registry: Registry, run: str) -> None:
    first, second = (registry.register(f"{BUNDLE}{n}", run, {"n": str(n)}) for n in range(2))
    registry.tag(first.number, "outcome", "rolled back")
    assert registry.version(first.number).tags == {"n": "0", "outcome": "rolled back"}
    assert registry.version(second.number).tags == {"n": "1"}


def test_a_run_that_registers_its_bundle_again_gets_the_version_that_is_there(
    registry: Registry, run: str
) -> None:
    tags = {"run_id": "run-1", "n": "0"}
    first = registry.register(BUNDLE, run, tags)
    other = registry.register(f"{BUNDLE}1", run, tags)
    assert registry.by_alias(Alias.CANDIDATE) == other
    assert registry.register(BUNDLE, run, tags) == first
    assert registry.by_alias(Alias.CANDIDATE) == first
    assert registry.register(BUNDLE, run, {"run_id": "run-2"}).number == "3"


@pytest.mark.parametrize("number", ["7", "seven"])
def test_a_version_that_does_not_exist_is_an_error(
    registry: Registry, run: str, number: str
) -> None:
    registry.register(BUNDLE, run, {})
    with pytest.raises(HealthPredictError, match=f"version {number} of 'readmission'"):
        registry.version(number)
