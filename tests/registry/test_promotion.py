"""Production moves by compare and set, whatever is killed and whoever comes between."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from promoting import by_hand, moves, register, serving

from components.errors import HealthPredictError, PromotionConflict
from components.registry.client import RegistryClient
from components.registry.models import Alias, Registry
from components.registry.promotion import BY_HAND
from components.registry.promotion_log import LOG
from components.settings import Settings

Backend = Callable[..., Settings]


@pytest.fixture
def registry(backend: Backend) -> Registry:
    return Registry(backend())


@pytest.fixture
def versions(registry: Registry) -> list[str]:
    return register(registry, 3)


@pytest.fixture
def promoted(registry: Registry, versions: list[str]) -> Registry:
    """Return the registry after versions 1 and 2 were promoted."""
    registry.promote("1", expected="", reason="first")
    registry.promote("2", expected="1", reason="better")
    return registry


def test_the_first_promotion_has_no_previous_version(
    registry: Registry, versions: list[str]
) -> None:
    registry.promote("1", expected="", reason="first")
    assert serving(registry) == ("1", "")
    assert moves(registry) == [("", "1", True)]


def test_a_promotion_keeps_the_version_that_it_replaces_as_previous(
    promoted: Registry,
) -> None:
    assert serving(promoted) == ("2", "1")


def test_a_rollback_is_a_promotion_of_the_previous_version(
    registry: Registry, versions: list[str]
) -> None:
    for expected, number in (("", "1"), ("1", "2"), ("2", "1"), ("1", "2")):
        registry.promote(number, expected=expected, reason="there and back")
    assert serving(registry) == ("2", "1")
    assert moves(registry) == [
        ("", "1", True), ("1", "2", True), ("2", "1", True), ("1", "2", True),
    ]  # fmt: skip


def test_a_promotion_over_another_version_than_the_one_compared_with_is_refused(
    promoted: Registry,
) -> None:
    line = r"^version 3 was compared with version 1, but production is version 2 since 20\S+: run"
    with pytest.raises(PromotionConflict, match=line):
        promoted.promote("3", expected="1", reason="too late")
    with pytest.raises(PromotionConflict, match="compared with no production version, but"):
        promoted.promote("3", expected="", reason="too late")
    assert serving(promoted) == ("2", "1")
    assert len(promoted.history()) == 2


def test_a_promotion_over_production_that_is_gone_is_refused(
    registry: Registry, versions: list[str]
) -> None:
    with pytest.raises(PromotionConflict, match="but production is none: run again"):
        registry.promote("2", expected="1", reason="gone")
    assert serving(registry) == ("", "")
    assert moves(registry) == []


def test_a_version_that_does_not_exist_is_not_promoted(
    registry: Registry, versions: list[str]
) -> None:
    with pytest.raises(HealthPredictError, match="version 9 of 'readmission' does not exist"):
        registry.promote("9", expected="", reason="none")
    assert moves(registry) == []


def test_the_same_promotion_again_changes_nothing(promoted: Registry) -> None:
    promoted.promote("2", expected="1", reason="better")
    promoted.promote("2", expected="2", reason="already there")
    assert serving(promoted) == ("2", "1")
    assert moves(promoted) == [("", "1", True), ("1", "2", True)]


def test_the_history_says_who_moved_what_when_and_why(
    registry: Registry, versions: list[str]
) -> None:
    registry.promote("1", expected="", reason="gate: AUC +0.01")
    (move,) = registry.history()
    assert move.reason == "gate: AUC +0.01"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", move.at)
    assert move.won
    assert not move.by_hand


def test_an_alias_that_was_moved_by_hand_is_right_and_stands_in_the_history(
    promoted: Registry,
) -> None:
    promoted.point(Alias.PRODUCTION, "1")  # just where it stood before, as after a broken promotion
    with pytest.raises(PromotionConflict, match="version 2, but production is version 1 since"):
        promoted.promote("3", expected="2", reason="too late")
    assert serving(promoted)[0] == "1"
    promoted.promote("3", expected="1", reason="better")
    assert serving(promoted) == ("3", "1")
    assert moves(promoted)[2:] == [("2", "1", True), ("1", "3", True)]
    assert [move.reason for move in by_hand(promoted)] == [BY_HAND]


def test_an_alias_that_was_set_before_there_was_a_log_is_right(
    registry: Registry, versions: list[str]
) -> None:
    registry.point(Alias.PRODUCTION, "1")
    registry.promote("2", expected="1", reason="better")
    assert serving(registry) == ("2", "1")
    assert moves(registry) == [("", "1", True), ("1", "2", True)]
    assert len(by_hand(registry)) == 1


def test_an_alias_that_was_removed_by_hand_leaves_no_production(promoted: Registry) -> None:
    promoted.clear(Alias.PRODUCTION)
    with pytest.raises(PromotionConflict, match="production is none since"):
        promoted.promote("3", expected="2", reason="too late")
    promoted.promote("3", expected="", reason="anew")
    assert serving(promoted)[0] == "3"
    assert [(m.from_version, m.to_version) for m in by_hand(promoted)] == [("2", "")]


def test_a_previous_version_that_was_set_by_hand_is_left(promoted: Registry) -> None:
    promoted.point(Alias.PREVIOUS, "3")
    promoted.promote("2", expected="1", reason="again")
    assert serving(promoted) == ("2", "3")
    assert by_hand(promoted) == []


def test_a_log_that_was_deleted_begins_anew_at_the_alias(
    promoted: Registry, backend: Backend
) -> None:
    RegistryClient(backend().tracking_uri).delete_registered_model(LOG)
    promoted.promote("3", expected="2", reason="better")
    assert serving(promoted) == ("3", "2")
    assert moves(promoted) == [("", "2", True), ("2", "3", True)]


def test_an_entry_that_was_deleted_from_the_log_does_not_move_production(
    promoted: Registry, backend: Backend
) -> None:
    RegistryClient(backend().tracking_uri).delete_model_version(LOG, "2")
    promoted.promote("3", expected="2", reason="better")
    assert serving(promoted) == ("3", "2")


@pytest.mark.parametrize(("minutes", "set_back"), [(0, True), (11, False)])
def test_a_call_that_was_killed_counts_as_moving_the_aliases_for_ten_minutes(
    promoted: Registry, backend: Backend, minutes: int, set_back: bool
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    client = RegistryClient(backend().tracking_uri)
    client.set_model_version_tag(LOG, "1", "moving.killed", at.isoformat(timespec="seconds"))
    promoted.point(Alias.PRODUCTION, "1")
    with pytest.raises(PromotionConflict):
        promoted.promote("3", expected="", reason="only to see")
    assert serving(promoted)[0] == ("2" if set_back else "1")
    assert len(by_hand(promoted)) == (0 if set_back else 1)
