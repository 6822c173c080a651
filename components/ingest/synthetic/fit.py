"""Fits of the synthetic cohort: a latent-class mixture for each era, and the two risks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from components.ingest.synthetic.sampling import Floats, Ints

CLASSES = 28
"""Latent classes of an era."""

ROUNDS = 120
PRIOR = 1.0
"""Pseudo-count, spread as the era's own levels are."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A logistic risk: what each indicator adds in each era, (eras, indicators), and intercepts."""

    odds: Floats
    base: Floats


def one_hot(columns: list[Ints], levels: list[int]) -> NDArray[np.float32]:
    """Return columns of level numbers side by side as indicators, shape (rows, sum of levels)."""
    start = np.cumsum([0, *levels[:-1]])
    table = np.zeros((columns[0].size, sum(levels)), dtype=np.float32)
    for offset, column in zip(start, columns, strict=True):
        table[np.arange(column.size), offset + column] = 1.0
    return table


def fit_classes(hot: NDArray[np.float32], seed: int) -> Floats:
    """Fit a mixture of products of categoricals by expectation maximisation.

    Args:
        hot: Indicators of one era, shape (rows, indicators).
        seed: Of the random start.

    Returns:
        Each row's membership of each class, shape (rows, CLASSES), rows summing to one.
    """
    rng, share = np.random.default_rng(seed), hot.mean(axis=0)
    member = rng.dirichlet(np.full(CLASSES, 0.3), len(hot)).astype(np.float32)
    for _ in range(ROUNDS):
        size = member.sum(axis=0)
        count = member.T @ hot + PRIOR * share
        log_chance = np.log(count / (size[:, None] + PRIOR) + 1e-12)
        score = hot @ log_chance.T + np.log(size + 1e-9)
        score -= score.max(axis=1, keepdims=True)
        member = np.exp(score)
        member /= member.sum(axis=1, keepdims=True)
    return member.astype(np.float64)


def fit_risk(
    hot: NDArray[np.float32], happened: NDArray[np.bool_], era: Ints, sharpness: float
) -> Risk:
    """Fit the log-odds of an event on indicators, each era shrunk towards the whole file.

    ``sharpness`` stretches the log-odds about their mean: a linear model finds a little less than
    there is, and a mixture keeps a little less than the linear model found. Intercepts are then
    solved for, so that every era keeps its rate.
    """
    eras = int(era.max()) + 1
    design = np.hstack((hot, one_hot([era], [eras])))
    common = _coefficients(design, happened, 0.05)[:-eras]
    odds, base = np.empty((eras, common.size)), np.empty(eras)
    for e in range(eras):
        rows, truth = hot[era == e], happened[era == e]
        odds[e] = sharpness * _shrunk(rows, truth, common)
        base[e] = _intercept(rows @ odds[e], truth.mean())
    return Risk(odds, base)


def _shrunk(hot: NDArray[np.float32], happened: NDArray[np.bool_], common: Floats) -> Floats:
    """Return an era's coefficients: a multiple of the common ones plus penalised departures.

    The common score is scaled up so that its own coefficient goes all but unpenalised.
    """
    score = 20.0 * (hot @ common)[:, None]
    own = _coefficients(np.hstack((hot, score)).astype(np.float32), happened, 0.01)
    departures: Floats = own[:-1] + 20.0 * own[-1] * common
    return departures


def _coefficients(design: Floats | NDArray[np.float32], happened: Any, c: float) -> Floats:
    model = LogisticRegression(C=c, max_iter=500, tol=1e-3).fit(design, happened)
    return np.asarray(model.coef_[0], dtype=np.float64)


def _intercept(score: Floats, rate: float) -> float:
    """Return what to add to log-odds for their mean probability to be ``rate``, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        below = (1.0 / (1.0 + np.exp(-score - middle))).mean() < rate
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2
