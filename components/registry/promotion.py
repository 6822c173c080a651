"""Promotion: compare and set on the alias ``production``, by way of the log of promotions.

The log decides, the aliases follow. A call appends its entry, reads the log again, and points
``previous`` and then ``production`` at what the log says; whoever finds the aliases behind the log
does the same, so a call that was killed is completed by the next one.

The aliases may differ from the log for three reasons:

1. A call was killed between its entry and the aliases. Its entry carries a mark from the start,
   and nobody has closed it: the log is right, however long ago that was.
2. A call read the log, slept while others promoted twice, and points the aliases at what it read.
   It reads the log again afterwards and mends that; until then, or if it is killed there, its mark
   on the entry that it read is open: the log is right. The mark was set before the log was read
   again and found unchanged, so it is older than any entry that the call does not know. A mark of
   a call that was killed is open for good and counts for ten minutes, longer than a living call's
   requests can take.
3. Somebody moved the alias by hand, or the log is younger than the aliases: no mark is open. The
   alias is right, and an entry "by hand" says so before anything else is decided. Such an entry
   counts only upon the last entry that was read, so it loses against a promotion that came
   meanwhile. A version that was deleted before the aliases came to it is such a case too.

So a version that is set by hand within ten minutes of a call that was killed may be set back once.
"""

from __future__ import annotations

import uuid

from components.errors import PromotionConflict, PromotionUnfinished, RegistryError
from components.registry.aliases import Alias, Aliases
from components.registry.client import ABSENT
from components.registry.promotion_log import Entry, History, Promotion, PromotionLog, now

BY_HAND = "the alias was moved outside of the pipeline"

_ROUNDS = 100
"""How often the aliases are looked at; each round but five follows what another call did."""


class Promoter:
    """One call that moves production."""

    def __init__(self, log: PromotionLog, aliases: Aliases) -> None:
        self._log = log
        self._aliases = aliases
        self._writer = uuid.uuid4().hex
        self._sent = False

    def promote(self, number: str, expected: str, reason: str) -> None:
        """Move production from a version to another.

        Args:
            number: the version that is to be in production; it exists.
            expected: the version that it replaces; empty for none.
            reason: why.

        Raises:
            PromotionConflict: production is another version by now.
            PromotionUnfinished: the registry failed after the promotion was sent.
            RegistryError: the registry failed before; production was not moved.
        """
        try:
            while not self._is_done(history := self._settled(), number, expected):
                if history.production != expected:
                    raise PromotionConflict(_conflict(history, number, expected))
                self._sent = True
                self._append(history, Promotion(expected, number, reason, now()))
        except RegistryError as error:
            if not self._sent:
                raise
            raise PromotionUnfinished(
                f"{error}; version {number} may be in production: run this step again to be sure"
            ) from error

    def settle(self) -> None:
        """Complete what a call that was killed began, or record what was moved by hand.

        Raises:
            RegistryError: the registry failed.
        """
        self._settled()

    def _is_done(self, history: History, number: str, expected: str) -> bool:
        """Whether this call's entry counted, or one just like it is in force."""
        if any(self._made(entry) for entry in history.winners):
            return True
        wanted = (expected, number)
        move = history.last.move if history.last else None
        return history.production == number == expected or (
            move is not None and (move.from_version, move.to_version) == wanted
        )

    def _made(self, entry: Entry) -> bool:
        return entry.writer == self._writer and not entry.move.by_hand

    def _append(self, history: History, move: Promotion) -> None:
        self._log.append(Entry(move, history.last.number if history.last else 0, self._writer))

    def _settled(self) -> History:
        """Return the log once it and the aliases say the same."""
        pointed = 0
        for _ in range(_ROUNDS):
            history, production = self._log.read(), self._aliases.number(Alias.PRODUCTION)
            last = history.last
            if last is None or not history.is_moving:
                if production == history.production:
                    return history
                self._accept(history, production)
            elif not last.is_marked_by(self._writer):
                self._log.mark(last, self._writer)
            elif pointed != last.number:
                pointed = last.number
                if not self._point(last.move):
                    self._accept(history, production)
            else:  # the log has not moved on since the aliases were pointed
                self._close_marks(history)
                if production == history.production:
                    return history
                pointed = 0
        raise RegistryError("the alias production does not stay where it is put; run again")

    def _accept(self, history: History, production: str) -> None:
        """Record that the alias is right, and not the log."""
        move = Promotion(history.production, production, BY_HAND, now(), by_hand=True)
        self._append(history, move)

    def _point(self, move: Promotion) -> bool:
        """Point the aliases, production last; return whether its version is still there."""
        if move.from_version:
            self._can_point(Alias.PREVIOUS, move.from_version)
        if move.to_version:
            return self._can_point(Alias.PRODUCTION, move.to_version)
        self._aliases.clear(Alias.PRODUCTION)
        return True

    def _can_point(self, alias: Alias, number: str) -> bool:
        try:
            self._aliases.point(alias, number)
        except RegistryError as error:
            if error.code not in ABSENT:
                raise
            return False
        return True

    def _close_marks(self, history: History) -> None:
        for entry in history.winners:
            if entry.is_marked_by(self._writer):
                self._log.close(entry, self._writer)


def _conflict(history: History, number: str, expected: str) -> str:
    compared = f"version {expected}" if expected else "no production version"
    found = f"version {history.production}" if history.production else "none"
    since = f" since {history.last.move.at}" if history.last else ""
    was = f"version {number} was compared with {compared}"
    return f"{was}, but production is {found}{since}: run again"
