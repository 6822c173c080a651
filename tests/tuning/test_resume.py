from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import searches
from searches import BUDGET, SEED, small_matrices

from components.tuning.families import families
from components.tuning.journal import Journal, search_digest
from components.tuning.space import FamilySearch, planned
from components.tuning.trial import TrialResult

TOTAL = 8
ONE = TrialResult("xgboost", dict(families()[2].start[0]), ((20, 0.61), (40, 0.65)), 1.5, False)


def start(journal: Path, ray_folder: Path) -> subprocess.Popen[str]:
    """Search in a process group of its own, so that Ray's processes end with it."""
    root = Path(searches.__file__).parents[1]
    paths = [root, root / "tests"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "RAY_TMPDIR": str(ray_folder),
    }
    command = [sys.executable, searches.__file__, str(journal)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_after(process: subprocess.Popen[str], trials: int) -> None:
    """Kill the search and all its processes, without a warning, when so many trials ended."""
    assert process.stdout is not None
    for _ in range(trials):
        assert process.stdout.readline() == "ended\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]]]:
    """Return how many trials the process ran and all trials of its result."""
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    *ended, trials = out.splitlines()
    return len(ended), json.loads(trials)


def test_a_killed_search_goes_on_from_its_ended_trials(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    kill_after(start(journal, _short("k")), trials=4)
    kept = Journal(journal).trials
    ran, trials = finish(start(journal, _short("g")))
    assert len(kept) >= 4
    assert ran == TOTAL - len(kept)
    assert len(trials) == TOTAL
    assert [trial["parameters"] for trial in trials[: len(kept)]] == [t.parameters for t in kept]
    assert len({json.dumps([t["family"], t["parameters"]]) for t in trials}) == TOTAL
    again, same = finish(start(journal, _short("h")))
    assert again == 0
    assert same == trials


def test_one_trial_at_a_time_gives_the_same_search_under_a_seed(tmp_path: Path) -> None:
    def found(name: str) -> list[dict[str, Any]]:
        _, trials = finish(start(tmp_path / name, _short(name)))
        return [{**trial, "seconds": 0} for trial in trials]

    assert found("a") == found("b")


def test_a_half_written_line_is_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(ONE, 2.5)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"trial": {"family": "xgb')
    again = Journal(tmp_path)
    assert again.trials == [ONE]
    assert again.seconds == 2.5
    again.append(ONE, 3.5)
    assert Journal(tmp_path).trials == [ONE, ONE]


def test_a_journal_is_removed_with_its_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one")
    journal.append(ONE, 1.0)
    journal.remove()
    assert not (tmp_path / "one").exists()


def test_another_row_budget_or_seed_is_another_search() -> None:
    data, other = small_matrices(60), small_matrices(60)
    first = search_digest(families(), data, 8, 10.0, SEED)
    assert search_digest(families(), other, 8, 10.0, SEED) == first
    other.x_train[0, 0] += 1
    digests = {
        first,
        search_digest(families(), other, 8, 10.0, SEED),
        search_digest(families(), data, 9, 10.0, SEED),
        search_digest(families(), data, 8, 11.0, SEED),
        search_digest(families(), data, 8, 10.0, SEED + 1),
        search_digest(families()[:2], data, 8, 10.0, SEED),
    }
    assert len(digests) == 6


def test_ended_trials_are_neither_planned_nor_drawn_again() -> None:
    plan = planned(families(), BUDGET.trials)
    whole = FamilySearch(families(), plan, [], SEED)
    drawn = [whole.suggest(str(number)) for number in range(4)]
    ended = [TrialResult(d["family"], d["parameters"], ((20, 0.6),), 1.0, True) for d in drawn]
    rest = FamilySearch(families(), plan, ended, SEED)
    assert rest.left == TOTAL - 4
    left = [rest.suggest(str(number)) for number in range(4)]
    assert rest.suggest("more") == "FINISHED"
    assert sorted(d["family"] for d in drawn + left) == sorted(plan)
    assert all(draw not in drawn for draw in left)


def _short(name: str) -> Path:
    """Return a folder whose path leaves room for the name of a socket."""
    return Path(tempfile.mkdtemp(prefix=name))
