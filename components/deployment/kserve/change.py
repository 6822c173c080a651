"""One change of the InferenceService: planned from what stands there, applied to just that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from components.deployment.kserve.api import Api
from components.deployment.kserve.live import Live
from components.deployment.kserve.manifest import Body, identified
from components.deployment.kserve.refusals import StaleError
from components.errors import ConflictError

_TRIES = 10
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be applied.

    Attributes:
        body: all that the manager owns from then on.
        manager: the field manager.
        force: take the body's fields from whoever owns them.
    """

    body: Body
    manager: str
    force: bool = False


Plan = Callable[[Live], Change | None]
"""Returns what is to be applied to what stands there; ``None`` when nothing needs to be."""


def change(api: Api, plan: Plan) -> Live:
    """Bring a change about, and return the InferenceService after it.

    KServe writes its status all the time, so what was read may be old when the change arrives: it
    is read again and planned again, and the plan raises when what it was for is gone.

    Raises:
        ConflictError: it was changed at every try, or somebody else owns a field.
    """
    for attempt in range(_TRIES):
        live = Live(api.inference_service())
        wanted = plan(live)
        if wanted is None:
            return live
        body = identified(wanted.body, live.place)
        try:
            return Live(api.apply(body, wanted.manager, force=wanted.force))
        except StaleError as error:
            last = error
            time.sleep(_PAUSE_S * attempt)
    raise ConflictError(f"it was changed {_TRIES} times meanwhile; run again ({last})")
