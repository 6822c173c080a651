"""What the report says a model is not for, and whom it serves less well."""

from __future__ import annotations

from collections.abc import Sequence

from components.evaluation.subgroups import LEAST_ROWS, Subgroup

_USE = (
    "The risk is a help for planning follow-up after discharge, not a diagnosis, and no reason to "
    "keep care from anybody whose risk is low. It is meant for adult and child inpatients with "
    "diabetes who were discharged alive and not to a hospice."
)
_POPULATION = (
    "It holds for encounters like those of the source named above (for the published file: 130 "
    "hospitals of the United States, 1999 to 2008) and has not been tested on other populations. "
    "A readmission to a hospital that the source does not cover counts as none."
)
_SYNTHETIC = (
    "Trained or tested on a synthetic cohort: its numbers say that the pipeline works and nothing "
    "about patients. It must not be used for any."
)


def limits_of_use(auc: float, groups: Sequence[Subgroup], *, synthetic: bool) -> list[str]:
    """Return the limits as sentences.

    Args:
        auc: the model's on all test rows.
        groups: the model on parts of them.
        synthetic: whether it was trained or tested on a synthetic cohort.
    """
    small = [f"{g.column} {g.level}" for g in groups if g.auc is None]
    limits = [_SYNTHETIC] if synthetic else [_USE, _POPULATION]
    if small:
        limits.append(
            f"Too few test encounters (under {LEAST_ROWS}, or under 10 of one outcome) to say how "
            f"good it is for: {', '.join(small)}."
        )
    return [*limits, *_weak(auc, groups)]


def _weak(auc: float, groups: Sequence[Subgroup]) -> list[str]:
    """Name the subgroups whose AUC is surely lower than that of all."""
    weak = [
        f"{g.column} {g.level} ({g.auc.value:.3f})" for g in groups if g.auc and g.auc.high < auc
    ]
    return [f"It tells the readmitted apart less well for: {', '.join(weak)}."] if weak else []
