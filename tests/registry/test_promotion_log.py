"""The order of the log decides, whatever it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.registry.promotion_log import Entry, History, Promotion, fold


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Return entries, each made upon nothing or upon some entry before it."""
    bases = [draw(st.integers(0, number)) for number in range(draw(st.integers(0, 12)))]
    return [
        Entry(Promotion("", str(number), "test", "2026-01-01T00:00:00+00:00"), base, "", number)
        for number, base in enumerate(bases, start=1)
    ]


def numbers(history: History) -> list[int]:
    return [entry.number for entry in history.winners]


@given(logs())
def test_each_entry_that_counts_was_made_upon_the_one_before_it(log: list[Entry]) -> None:
    history = fold(log)
    assert [entry.base for entry in history.winners] == [0, *numbers(history)][:-1]
    assert [e.number for e in history.entries if e.move.won] == numbers(history)


@given(logs())
def test_of_entries_upon_the_same_one_only_the_first_counts(log: list[Entry]) -> None:
    history = fold(log)
    for base in [0, *numbers(history)]:
        rivals = [entry for entry in history.entries if entry.base == base]
        assert [entry.move.won for entry in rivals] == [True, *[False] * (len(rivals) - 1)][
            : len(rivals)
        ]


@given(logs(), st.data())
def test_what_was_decided_stays_so_and_does_not_depend_on_how_the_log_is_read(
    log: list[Entry], data: st.DataObject
) -> None:
    decided, cut = fold(log).entries, data.draw(st.integers(0, len(log)))
    assert fold(log[:cut]).entries == decided[:cut]
    assert fold(data.draw(st.permutations(log))).entries == decided


@given(logs())
def test_production_is_what_the_last_entry_that_counts_says(log: list[Entry]) -> None:
    history = fold(log)
    assert history.production == (history.winners[-1].move.to_version if log else "")
    assert not log or history.winners
