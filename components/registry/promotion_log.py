"""The log of promotions: which version is in production, decided by an order that MLflow gives.

MLflow can point an alias at a version, but not on the condition that it still points at another.
What it does give is a number of its own to each version of a registered model, in the order in
which they are stored, however many processes add one at a time: its SQL store inserts ``max + 1``
under a primary key, with the version's tags in the same transaction, and tries again when another
took the number. So each promotion is a version of the registered model ``readmission-promotions``,
and its tags say what it is. An entry names the entry that it was made upon, and counts when that
is the last one that counted before it; of two made upon the same, only the first counts. Nobody
needs a lock, and nothing expires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from components.errors import RegistryError
from components.registry import MODEL
from components.registry.client import ABSENT, RegistryClient

LOG = f"{MODEL}-promotions"

DONE = "done"
_MARK = "moving."
_SOURCE = "promotion:/"
"""MLflow wants a source of each version; an entry has none."""

_PAGE = 1000
_MOVING_AT_MOST = timedelta(minutes=10)
"""How long a call that is still alive can take to point the aliases; see ``RegistryClient``."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One move of production.

    Attributes:
        from_version: the version that was in production; empty for none.
        to_version: the one that is to be instead; empty for none.
        reason: why.
        at: UTC time, ISO 8601.
        won: whether it came into force; ``False`` when another came first.
        by_hand: whether the alias was moved outside of the pipeline, and found so.
    """

    from_version: str
    to_version: str
    reason: str
    at: str
    won: bool = False
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A promotion as the log holds it.

    Attributes:
        move: what is moved.
        base: number of the entry that it was made upon; 0 for the first.
        writer: unique name of the call that made it.
        number: place in the log, from 1; 0 until it is stored.
        marks: by writer, since when it points the aliases on behalf of this entry, or ``done``.
    """

    move: Promotion
    base: int
    writer: str
    number: int = 0
    marks: Mapping[str, str] = field(default_factory=dict)

    def is_marked_by(self, writer: str) -> bool:
        """Whether a writer has said that it points the aliases, and not yet that it has."""
        return self.marks.get(writer, DONE) != DONE

    def is_moving(self, now: datetime) -> bool:
        """Whether some writer may still be about to point the aliases at this entry's version."""
        started = [datetime.fromisoformat(at) for at in self.marks.values() if at != DONE]
        return any(now - at < _MOVING_AT_MOST for at in started)


@dataclass(frozen=True, slots=True)
class History:
    """The log as it was read: all entries, and those that count."""

    entries: tuple[Entry, ...]
    winners: tuple[Entry, ...]

    @property
    def last(self) -> Entry | None:
        """The entry in force."""
        return self.winners[-1] if self.winners else None

    @property
    def production(self) -> str:
        """The version in production; empty for none."""
        return self.last.move.to_version if self.last else ""

    @property
    def is_moving(self) -> bool:
        """Whether the aliases may differ from the log because a promotion is not through yet.

        Either nobody has pointed them at the last entry's version, however long ago it was made,
        or some writer may still point them at that of an earlier one.
        """
        if self.last is None:
            return False
        now = datetime.now(UTC)
        return DONE not in self.last.marks.values() or any(e.is_moving(now) for e in self.winners)


def fold(entries: Sequence[Entry]) -> History:
    """Decide which entries count, in the order of their numbers."""
    winners: list[Entry] = []
    decided: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.number):
        won = entry.base == (winners[-1].number if winners else 0)
        decided.append(replace(entry, move=replace(entry.move, won=won)))
        if won:
            winners.append(decided[-1])
    return History(tuple(decided), tuple(winners))


class PromotionLog:
    """The log of one registry."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    def read(self) -> History:
        """Read the log; it is empty before the first promotion.

        Pages keep together though others append, as an entry's number never changes.
        """
        entries: list[Entry] = []
        token = None
        while token != "":
            page = self._client.search_model_versions(
                f"name = '{LOG}'", _PAGE, ["version_number ASC"], token
            )
            entries += [_entry(int(found.version), found.tags) for found in page]
            token = page.token or ""
        return fold(entries)

    def append(self, entry: Entry) -> None:
        """Add an entry after all others; reading tells whether it counts."""
        try:
            self._add(entry)
        except RegistryError as error:
            if error.code != ABSENT[0]:
                raise
            create_model(self._client, LOG)
            self._add(entry)

    def mark(self, entry: Entry, writer: str) -> None:
        """Say that a writer is about to point the aliases on behalf of an entry."""
        self._client.set_model_version_tag(LOG, str(entry.number), f"{_MARK}{writer}", now())

    def close(self, entry: Entry, writer: str) -> None:
        """Say that a writer has pointed the aliases, and will not again."""
        self._client.set_model_version_tag(LOG, str(entry.number), f"{_MARK}{writer}", DONE)

    def _add(self, entry: Entry) -> None:
        self._client.create_model_version(
            LOG, f"{_SOURCE}{entry.writer}", tags=_tags(entry), await_creation_for=None
        )


def create_model(client: RegistryClient, name: str) -> None:
    """Create a registered model unless it is there."""
    try:
        client.create_registered_model(name)
    except RegistryError as error:
        if error.code != "RESOURCE_ALREADY_EXISTS":
            raise


def now() -> str:
    """Return UTC time, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _tags(entry: Entry) -> dict[str, str]:
    move = entry.move
    return {
        "from": move.from_version,
        "to": move.to_version,
        "reason": move.reason,
        "at": move.at,
        "by_hand": str(move.by_hand).lower(),
        "base": str(entry.base),
        "writer": entry.writer,
        f"{_MARK}{entry.writer}": DONE if move.by_hand else move.at,
    }


def _entry(number: int, tags: Mapping[str, str]) -> Entry:
    move = Promotion(
        tags["from"], tags["to"], tags["reason"], tags["at"], by_hand=tags["by_hand"] == "true"
    )
    marks = {k.removeprefix(_MARK): value for k, value in tags.items() if k.startswith(_MARK)}
    return Entry(move, int(tags["base"]), tags["writer"], number, marks)
