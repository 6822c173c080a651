"""Production moves once, whoever is killed and whoever comes between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from backends import Postgres
from promoting import (
    by_hand,
    promote,
    promote_at_once,
    promote_in_turns,
    register,
    run_until_killed,
    serving,
)
from sqlalchemy import create_engine, text

from components.errors import PromotionConflict
from components.registry.aliases import Aliases
from components.registry.client import RegistryClient
from components.registry.models import Alias, Registry
from components.registry.promotion import Promoter
from components.registry.promotion_log import LOG, PromotionLog
from components.settings import Settings

Backend = Callable[..., Settings]


INSERT = (
    "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
    "SELECT workspace, name, 'production', 1 FROM registered_models WHERE name = 'readmission'"
)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class Killed(BaseException):
    """Ends a call at once, as a signal does."""


class Interrupted(Aliases):
    """Aliases of a call that lets something else happen around its first move of production."""

    def __init__(
        self,
        settings: Settings,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(RegistryClient(settings.tracking_uri))
        self._around = [(before, after)]

    def point(self, alias: Alias, number: str) -> None:
        if alias is not Alias.PRODUCTION or not self._around:
            super().point(alias, number)
            return
        before, after = self._around.pop()
        before()
        super().point(alias, number)
        after()


def promoter(settings: Settings, aliases: Aliases) -> Promoter:
    return Promoter(PromotionLog(RegistryClient(settings.tracking_uri)), aliases)


def killed() -> None:
    raise Killed


def age_marks(settings: Settings) -> None:
    """Let every mark that is open be eleven minutes old."""
    client, at = RegistryClient(settings.tracking_uri), datetime.now(UTC) - timedelta(minutes=11)
    for entry in PromotionLog(client).read().entries:
        for writer in entry.marks:
            if entry.is_marked_by(writer):
                client.set_model_version_tag(
                    LOG, str(entry.number), f"moving.{writer}", at.isoformat()
                )


@pytest.fixture
def registry(backend: Backend) -> Registry:
    return Registry(backend())


@pytest.fixture
def first(registry: Registry) -> Registry:
    """Return the registry with four versions, the first of them in production."""
    register(registry, 4)
    registry.promote("1", expected="", reason="first")
    return registry


def test_of_eight_processes_that_expect_the_same_version_exactly_one_wins(
    registry: Registry, backend: Backend
) -> None:
    numbers = register(registry, 9)
    registry.promote("1", expected="", reason="first")
    found = promote_at_once(backend(), "1", numbers[1:])
    winner = numbers[1:][found.index("won")]
    conflicts = [line for line in found if line != "won"]
    assert len(conflicts) == 7
    assert all(f"but production is version {winner} since" in line for line in conflicts)
    assert serving(registry) == (winner, "1")
    assert [move.to_version for move in registry.history() if move.won] == ["1", winner]
    assert by_hand(registry) == []


def test_a_first_promotion_is_won_once_too(registry: Registry, backend: Backend) -> None:
    numbers = register(registry, 4)
    found = promote_at_once(backend(), "", numbers)
    assert found.count("won") == 1
    assert serving(registry) == (numbers[found.index("won")], "")


def test_twins_that_promote_the_same_version_both_succeed_and_move_it_once(
    registry: Registry, backend: Backend
) -> None:
    register(registry, 2)
    registry.promote("1", expected="", reason="first")
    assert promote_at_once(backend(), "1", ["2"] * 4) == ["won"] * 4
    assert serving(registry) == ("2", "1")
    assert [move.to_version for move in registry.history() if move.won] == ["1", "2"]


def test_processes_that_promote_on_and_on_leave_one_chain_and_the_aliases_at_its_end(
    registry: Registry, backend: Backend
) -> None:
    numbers = register(registry, 24)
    won = promote_in_turns(backend(), [numbers[n::4] for n in range(4)])
    chain = [move for move in registry.history() if move.won]
    assert {move.to_version for move in chain} == set().union(*won)
    assert len(chain) == sum(map(len, won))
    assert [move.from_version for move in chain] == ["", *(m.to_version for m in chain[:-1])]
    assert serving(registry) == (chain[-1].to_version, chain[-1].from_version)
    assert by_hand(registry) == []


def test_a_promotion_killed_anywhere_is_completed_by_the_same_call(
    registry: Registry, backend: Backend
) -> None:
    register(registry, 2)
    registry.promote("1", expected="", reason="first")
    old, new, writes, between = "1", "2", 0, 0
    while run_until_killed(promote, (backend(), new, old), writes):
        production, decided = serving(registry)[0], registry.history()[-1].to_version
        assert production in (old, decided)
        between += production != decided
        registry.promote(new, expected=old, reason="again")
        assert serving(registry) == (new, old)
        old, new, writes = new, old, writes + 1
    assert serving(registry) == (new, old)
    assert by_hand(registry) == []
    assert between >= 2  # killed after the entry and before the alias


def test_a_promotion_killed_anywhere_is_completed_or_undone_by_the_next_one(
    registry: Registry, backend: Backend
) -> None:
    register(registry, 3)
    registry.promote("1", expected="", reason="first")
    old, new, writes, completed = "1", "2", 0, 0
    while run_until_killed(promote, (backend(), new, old), writes):
        if registry.history()[-1].to_version == new:
            with pytest.raises(PromotionConflict, match=f"production is version {new} since"):
                registry.promote("3", expected=old, reason="meanwhile")
            assert serving(registry) == (new, old)
            completed += 1
        else:
            registry.promote("3", expected=old, reason="meanwhile")
            assert serving(registry) == ("3", old)
            registry.promote(new, expected="3", reason="for the next round")
        old, new, writes = new, old, writes + 1
    assert by_hand(registry) == []
    assert 1 < completed < writes


def test_a_call_that_comes_late_with_the_aliases_mends_what_it_wrote(
    first: Registry, backend: Backend
) -> None:
    late = Interrupted(
        backend(), before=lambda: first.promote("3", expected="2", reason="meanwhile")
    )
    promoter(backend(), late).promote("2", "1", "late")
    assert serving(first) == ("3", "2")
    assert by_hand(first) == []


def test_what_a_late_call_wrote_is_not_taken_for_a_move_by_hand(
    first: Registry, backend: Backend
) -> None:
    late = Interrupted(
        backend(),
        before=lambda: first.promote("3", expected="2", reason="meanwhile"),
        after=lambda: first.promote("4", expected="3", reason="right then"),
    )
    promoter(backend(), late).promote("2", "1", "late")
    assert serving(first) == ("4", "3")
    assert by_hand(first) == []


def test_what_a_late_call_wrote_before_it_was_killed_is_mended_by_the_next_one(
    first: Registry, backend: Backend
) -> None:
    late = Interrupted(
        backend(),
        before=lambda: first.promote("3", expected="2", reason="meanwhile"),
        after=killed,
    )
    with pytest.raises(Killed):
        promoter(backend(), late).promote("2", "1", "late")
    assert serving(first)[0] == "2"
    with pytest.raises(PromotionConflict, match="production is version 3 since"):
        first.promote("4", expected="2", reason="compared with what the alias said")
    assert serving(first) == ("3", "2")
    assert by_hand(first) == []


def test_a_promotion_that_was_killed_long_ago_is_completed_all_the_same(
    first: Registry, backend: Backend
) -> None:
    with pytest.raises(Killed):
        promoter(backend(), Interrupted(backend(), before=killed)).promote("2", "1", "killed")
    age_marks(backend())
    assert serving(first)[0] == "1"
    with pytest.raises(PromotionConflict, match="production is version 2 since"):
        first.promote("3", expected="1", reason="compared with what the alias said")
    assert serving(first) == ("2", "1")
    assert by_hand(first) == []


def test_a_call_that_completes_another_late_is_not_taken_for_a_move_by_hand(
    first: Registry, backend: Backend
) -> None:
    with pytest.raises(Killed):
        promoter(backend(), Interrupted(backend(), before=killed)).promote("2", "1", "killed")
    age_marks(backend())
    late = Interrupted(
        backend(),
        before=lambda: first.promote("3", expected="2", reason="meanwhile"),
        after=killed,
    )
    with pytest.raises(Killed):
        promoter(backend(), late).promote("4", "2", "late")
    assert serving(first)[0] == "2"
    first.promote("4", expected="3", reason="better")
    assert serving(first) == ("4", "3")
    assert by_hand(first) == []


def test_an_alias_that_two_set_at_once_for_the_first_time_is_set(
    server_settings: Backend, postgres: Postgres
) -> None:
    registry = Registry(server_settings())
    register(registry, 2)
    with ThreadPoolExecutor(1) as pool, create_engine(postgres.uri).connect() as other:
        other.execute(text(INSERT))  # seen by nobody before it is committed
        pointing = pool.submit(registry.point, Alias.PRODUCTION, "2")
        while postgres.execute(WAITING) == "0\n" and not pointing.done():
            pass
        other.commit()
        pointing.result()
    assert serving(registry)[0] == "2"


def test_a_version_that_was_deleted_after_its_promotion_was_killed_is_given_up(
    first: Registry, backend: Backend
) -> None:
    with pytest.raises(Killed):
        promoter(backend(), Interrupted(backend(), before=killed)).promote("2", "1", "killed")
    RegistryClient(backend().tracking_uri).delete_model_version("readmission", "2")
    first.promote("3", expected="1", reason="better")
    assert serving(first) == ("3", "1")
    assert [(m.from_version, m.to_version) for m in by_hand(first)] == [("2", "1")]
