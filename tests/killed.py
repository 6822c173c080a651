"""Register and release a bundle as a run's steps do, and be killed at one point.

``python killed.py POINT FOLDER`` takes its settings from the environment. It prints the version.
Without being killed it exits with 0, or with 1 and one line on standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from releasing import QUICK

from components.deployment import release, step
from components.deployment.local.target import LocalTarget
from components.deployment.recognise import recognise
from components.errors import HealthPredictError
from components.events import Report
from components.registry.aliases import Alias, Aliases
from components.registry.models import Registry
from components.registry.step import run as register
from components.settings import load_settings

POINTS = (
    "none",
    "after register",
    "canary up",
    "before the first share",
    "mid-shift",
    "before the aliases",
    "between the aliases",
    "after the aliases",
    "before the old server stops",
)


def main(point: str, bundle: Path) -> int:
    """Do what a run does from its first step that asks what serves to its promote step."""
    settings, rollout = load_settings(), replace(QUICK, seconds=0.3)
    try:
        recognise(settings)
        production = Registry(settings).production()
        evaluation = bundle.with_suffix(".json")
        compared_with = production.number if production else ""
        evaluation.write_text(json.dumps(_EVALUATED | {"production_version": compared_with}))
        version = register(str(bundle), "", str(evaluation), settings, Report("register"))
        print(version, flush=True)
        _arm(point)
        if point == "after register":
            _die()
        step.deploy(version, rollout, settings, Report("deploy"))
        step.verify(version, rollout, settings, Report("verify"))
        if point == "before the first share":
            _die()
        step.promote(version, rollout, settings, Report("promote"))
    except HealthPredictError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


_EVALUATED = {
    "promote": True,
    "forced": False,
    "reasons": ["ok: a test"],
    "candidate": {"auc": 0.7},
    "production": None,
}


def _arm(point: str) -> None:
    if point == "canary up":
        _around(LocalTarget, "deploy", after=True)
    elif point == "mid-shift":
        watched = _Count(2)
        _around(release, "watch_server", when=watched)
    elif point == "before the aliases":
        _around(Registry, "promote")
    elif point == "between the aliases":
        _around(Aliases, "point", when=lambda *args, **more: args[1] == Alias.PRODUCTION)
    elif point == "after the aliases":
        _around(LocalTarget, "finish")
    elif point == "before the old server stops":
        _around(LocalTarget, "_left", when=lambda *args, **more: args[1].leaving is not None)


class _Count:
    """True at the given call."""

    def __init__(self, call: int) -> None:
        self._left = call

    def __call__(self, *args: Any, **more: Any) -> bool:
        self._left -= 1
        return self._left == 0


def _around(
    owner: Any, name: str, *, after: bool = False, when: Callable[..., bool] | None = None
) -> None:
    true = getattr(owner, name)

    def call(*args: Any, **more: Any) -> Any:
        dies = when is None or when(*args, **more)
        if dies and not after:
            _die()
        found = true(*args, **more)
        if dies:
            _die()
        return found

    setattr(owner, name, call)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
