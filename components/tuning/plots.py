"""Pictures of a search: its trials, and which hyperparameters mattered."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from components.tuning.family import Family
from components.tuning.space import distributions
from components.tuning.trial import TrialResult

_COLOURS = ("tab:blue", "tab:green", "tab:orange")
_LEAST_TRIALS = 4


def trials_svg(families: Sequence[Family], trials: Sequence[TrialResult]) -> str:
    """Draw validation AUC over the order of the trials, and each family's learning curves."""
    figure = Figure(figsize=(4 * (len(families) + 1), 3.6), layout="constrained")
    order, *curves = figure.subplots(1, len(families) + 1)
    for family, colour, axes in zip(families, _COLOURS, curves, strict=False):
        _draw_order(order, family.name, colour, trials)
        own = [trial for trial in trials if trial.family == family.name]
        for trial in own:
            axes.plot(*zip(*trial.curve, strict=True), color=colour, alpha=0.6, marker=".")
        axes.set(title=f"{family.name}, {len(own)} trials", xlabel="rounds, trees or passes")
    order.set(title="trials (hollow: stopped early)", xlabel="trial", ylabel="validation AUC")
    order.legend(fontsize="small")
    return _svg(figure)


def importance_svg(families: Sequence[Family], trials: Sequence[TrialResult], seed: int) -> str:
    """Draw each family's hyperparameter importance.

    Functional ANOVA: Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing
    Hyperparameter Importance". Few trials make it a rough guide.
    """
    figure = Figure(figsize=(4 * len(families), 3.6), layout="constrained")
    for family, axes in zip(
        families, np.atleast_1d(figure.subplots(1, len(families))), strict=True
    ):
        found = importances(family, trials, seed)
        axes.barh(list(found), list(found.values()), color="tab:gray")
        axes.set(title=f"{family.name}" if found else f"{family.name}: too few trials")
        axes.set(xlim=(0, 1), xlabel="share of the AUC's variance")
    return _svg(figure)


def importances(family: Family, trials: Sequence[TrialResult], seed: int) -> dict[str, float]:
    """Return each hyperparameter's importance; empty when there are too few trials to tell."""
    own = [trial for trial in trials if trial.family == family.name]
    if len({trial.best[1] for trial in own}) < _LEAST_TRIALS:
        return {}
    study = optuna.create_study(direction="maximize")
    space = distributions(family)
    for trial in own:
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(trial.parameters), distributions=space, value=trial.best[1]
            )
        )
    found: dict[str, float] = get_param_importances(
        study, evaluator=FanovaImportanceEvaluator(seed=seed)
    )
    return found


def _draw_order(axes: Any, family: str, colour: str, trials: Sequence[TrialResult]) -> None:
    own = [(number, t) for number, t in enumerate(trials, start=1) if t.family == family]
    axes.scatter(
        [number for number, _ in own],
        [trial.best[1] for _, trial in own],
        edgecolors=colour,
        facecolors=[colour if trial.finished else "none" for _, trial in own],
        label=family,
    )


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "trials"}):  # the same trials give the same bytes
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
