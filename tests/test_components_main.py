"""``python -m components --self-test``, as the image's build runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "components", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_steps_take_a_cohort_and_the_last_line_says_how_well() -> None:
    done = _run("--self-test")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert said.startswith("self-test: AUC 0.")
    assert "mlflow 3.17.2" in said


def test_it_does_nothing_else() -> None:
    done = _run()
    assert done.returncode == 2
    assert "--self-test" in done.stderr
