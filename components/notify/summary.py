"""How a run ended, in the few facts that a person wants to read first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from components.errors import one_line


class RunState(StrEnum):
    """How a run ended; ``unknown`` where Kubeflow itself does not know."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class Gate(StrEnum):
    """What was decided on the candidate; ``keep`` where no drift asked for one."""

    PROMOTE = "promote"
    REFUSE = "refuse"
    KEEP = "keep"
    NONE = ""


_STAYS = (Gate.REFUSE, Gate.KEEP)

# The documented SUCCEEDED and CANCELLED come from kfp.local. The cluster's backend (2.17) passes on
# the state of ML Metadata, which has its own words, and gives no error message
# (backend/src/v2/driver/resolve.go).
_STATES = {
    "SUCCEEDED": RunState.SUCCEEDED,
    "COMPLETE": RunState.SUCCEEDED,
    "CACHED": RunState.SUCCEEDED,
    "FAILED": RunState.FAILED,
    "CANCELLED": RunState.CANCELLED,
    "CANCELED": RunState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run; whatever is empty is not known.

    Attributes:
        failed_step: the step that failed.
        message: why; without any patient's value.
        suspects: the steps of which one failed, where no step said that it did.
        decision: on the candidate.
        reasons: of the decision.
        version: that the run registered.
        synthetic: whether its data are a synthetic cohort.
        links: URLs and paths by what they show.
    """

    failed_step: str = ""
    message: str = ""
    suspects: str = ""
    decision: Gate = Gate.NONE
    reasons: tuple[str, ...] = ()
    version: str = ""
    synthetic: bool = False
    links: Mapping[str, str] = field(default_factory=dict)

    def or_else(self, other: Facts) -> Facts:
        """Return these facts, and the other's for what is not known here."""
        merged = {f.name: getattr(self, f.name) or getattr(other, f.name) for f in fields(self)}
        return Facts(**{**merged, "links": {**other.links, **self.links}})


@dataclass(frozen=True, slots=True)
class Summary:
    """One run's end.

    ``problems`` are what the exit handler could not do, a line each.
    """

    run_id: str
    state: RunState
    facts: Facts
    problems: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The shortest text: what kind of data, which run, how it ended."""
        kind = " (synthetic data)" if self.facts.synthetic else ""
        return f"{self.run_id} {self.state.value}{kind}"

    @property
    def outcome(self) -> str:
        """What the end means, in one sentence."""
        facts = self.facts
        if self.state is RunState.SUCCEEDED:
            return _good_end(facts)
        where = f"in {facts.failed_step}: " if facts.failed_step else ""
        return f"{where}{facts.message or 'no step said why'}"

    @property
    def line(self) -> str:
        """The whole summary for a log, without a line break."""
        parts = [f"{self.title}: {self.outcome}", *self.facts.reasons]
        parts += [f"{name} {target}" for name, target in self.facts.links.items()]
        return one_line(" | ".join([*parts, *self.problems]))

    def to_json(self) -> dict[str, Any]:
        """Return the summary as the facts of the step's event."""
        facts = self.facts
        return {
            "state": self.state.value,
            "message": facts.message,
            "failed_step": facts.failed_step,
            "decision": facts.decision.value,
            "reasons": list(facts.reasons),
            "version": facts.version,
            "synthetic": facts.synthetic,
            "links": dict(facts.links),
            "problems": list(self.problems),
        }


def summarise(run_id: str, kfp_state: str, kfp_message: str, facts: Facts) -> Summary:
    """Put a run's summary together.

    Args:
        run_id: name of the run.
        kfp_state: the final state as KFP names it.
        kfp_message: KFP's own words on a failure, which name a step at most.
        facts: what the steps and the registry say.
    """
    state = run_state(kfp_state, kfp_message, facts)
    if state is RunState.SUCCEEDED:
        good = replace(facts, failed_step="", message="", decision=facts.decision or Gate.KEEP)
        return Summary(run_id, state, good)
    said = {
        RunState.CANCELLED: "it was cancelled",
        RunState.UNKNOWN: f"Kubeflow says {kfp_state or 'nothing'}, so a step may have been killed",
        RunState.FAILED: kfp_message,
    }
    why = facts.message or _joined(said[state], facts.suspects and f"look at {facts.suspects}")
    return Summary(run_id, state, replace(facts, message=why))


def run_state(kfp_state: str, kfp_message: str, facts: Facts) -> RunState:
    """Translate KFP's final state.

    When production stays, tasks are skipped, and the backend (2.17) counts them as missing
    (``UpdateDAGExecutionsState`` in backend/src/v2/metadata/client.go). It then says ``RUNNING`` of
    a good end, and ``FAILED``, without a message, where a step went well only when it was tried
    again. It says the same of a run whose step was killed or failed for good; but such a run has
    no decision to leave production alone, which is the last thing that the last step records.
    """
    known = _STATES.get(kfp_state, RunState.UNKNOWN)
    counted = known is RunState.UNKNOWN or (known is RunState.FAILED and not kfp_message)
    if counted and facts.decision in _STAYS and not facts.failed_step:
        return RunState.SUCCEEDED
    return known


def _joined(*texts: str) -> str:
    return "; ".join(text.rstrip(".") for text in texts if text)


def _good_end(facts: Facts) -> str:
    if facts.decision is Gate.PROMOTE:
        return f"version {facts.version or '(unknown)'} is in production"
    if facts.decision is Gate.REFUSE:
        return "the gate refused the candidate; production stays"
    return "no drift that asks for retraining; production stays"
