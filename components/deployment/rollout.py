"""How a release goes out: the steps of traffic, and what the canary must keep to."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import InputError

DEFAULT_STEPS = "10,50,100"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a canary must keep to.

    Attributes:
        requests: single-row requests that verification sends; none may fail.
        p95_ms: 95th percentile of their latency, milliseconds.
    """

    requests: int = 200
    p95_ms: float = 100.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """How the requests move to the canary.

    Attributes:
        steps: the canary's shares in percent, rising to 100.
        seconds: how long the canary is watched at each.
        timeout_s: seconds until a started canary must be ready.
        limits: what it must keep to.
    """

    steps: tuple[int, ...] = (10, 50, 100)
    seconds: float = 2.0
    timeout_s: float = 120.0
    limits: Limits = Limits()


def parse_steps(text: str) -> tuple[int, ...]:
    """Read the canary's shares, such as ``10,50,100``.

    Raises:
        InputError: they are no rising whole percentages that end with 100.
    """
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError:
        steps = ()
    rising = all(low < high for low, high in zip((0, *steps), steps, strict=False))
    if not steps or not rising or steps[-1] != 100:
        raise InputError(
            f"deploy_canary_steps {text!r}: write rising percentages that end with 100, "
            f"such as {DEFAULT_STEPS}"
        )
    return steps
