"""What the tests of promotion share: versions, and processes that promote them.

The processes are forked from a server that has loaded MLflow and opened nothing, so that each costs
little and shares no connection.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from typing import Any

from components.errors import PromotionConflict
from components.registry.client import RegistryClient
from components.registry.models import Alias, Promotion, Registry
from components.settings import Settings

_LOADED_LATE = [
    f"mlflow.store.{kind}.{store}"
    for kind in ("tracking", "model_registry")
    for store in ("rest_store", "sqlalchemy_store")
]
_WRITING = ("create", "set", "delete")

_start: list[Barrier] = []


def register(registry: Registry, count: int) -> list[str]:
    """Register versions, and return their numbers."""
    uri = "s3://bundles/sha256-"
    return [registry.register(f"{uri}{n:064}", "", {}).number for n in range(count)]


def serving(registry: Registry) -> tuple[str, str]:
    """Return the numbers behind ``production`` and ``previous``; empty for none."""
    production, previous = (registry.by_alias(a) for a in (Alias.PRODUCTION, Alias.PREVIOUS))
    return production.number if production else "", previous.number if previous else ""


def moves(registry: Registry) -> list[tuple[str, str, bool]]:
    """Return every move that was tried as from, to, and whether it won."""
    return [(move.from_version, move.to_version, move.won) for move in registry.history()]


def by_hand(registry: Registry) -> list[Promotion]:
    """Return the moves that were made outside of the pipeline."""
    return [move for move in registry.history() if move.by_hand]


def promote_at_once(settings: Settings, expected: str, numbers: Sequence[str]) -> list[str]:
    """Promote each version in a process of its own; return ``won`` or the conflict of each."""
    tasks = [(settings, number, expected) for number in numbers]
    return _at_once(_promote, tasks)


def promote_in_turns(settings: Settings, shares: Sequence[Sequence[str]]) -> list[list[str]]:
    """Let each process promote its versions one by one, over whatever is in production then.

    Returns:
        The versions that won, of each process.
    """
    return _at_once(_promote_all, [(settings, share) for share in shares])


def run_until_killed(work: Callable[..., object], arguments: Sequence[Any], writes: int) -> bool:
    """Run a function in a process that kills itself before it writes to the registry once more.

    Args:
        work: a module's function.
        arguments: of the function.
        writes: how often it may write; reading leaves nothing behind, wherever it is killed.

    Returns:
        Whether it was killed; otherwise it came to its end.
    """
    process = _context().Process(
        target=_run_killed, args=(dict(os.environ), work, arguments, writes)
    )
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def promote(settings: Settings, number: str, expected: str) -> None:
    """Promote a version."""
    Registry(settings).promote(number, expected=expected, reason="test")


def _context() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(["components.registry.models", *_LOADED_LATE])
    return context


def _at_once(work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    context = _context()
    start = context.Barrier(len(tasks))
    with ProcessPoolExecutor(len(tasks), context, _set_start, (start,)) as pool:
        return [found.result() for found in [pool.submit(work, *task) for task in tasks]]


def _set_start(start: Barrier) -> None:
    _start.append(start)


def _promote(settings: Settings, number: str, expected: str) -> str:
    registry = Registry(settings)
    registry.production()  # everybody is connected before anybody begins
    _start[0].wait()
    try:
        registry.promote(number, expected=expected, reason="race")
    except PromotionConflict as conflict:
        return str(conflict)
    return "won"


def _promote_all(settings: Settings, numbers: Sequence[str]) -> list[str]:
    registry = Registry(settings)
    won = []
    _start[0].wait()
    for number in numbers:
        production = registry.production()
        try:
            registry.promote(
                number, expected=production.number if production else "", reason="turn"
            )
        except PromotionConflict:
            continue
        won.append(number)
    return won


def _run_killed(
    environment: dict[str, str],
    work: Callable[..., object],
    arguments: Sequence[Any],
    writes: int,
) -> None:
    os.environ.update(environment)  # the server's own is that of its start
    plain, left = RegistryClient.__getattr__, iter(range(writes))

    def counted(self: RegistryClient, name: str) -> Callable[..., Any]:
        call = plain(self, name)

        def counting(*args: Any, **options: Any) -> Any:
            if name.startswith(_WRITING) and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counting

    RegistryClient.__getattr__ = counted  # type: ignore[method-assign]
    work(*arguments)
