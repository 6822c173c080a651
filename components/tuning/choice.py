"""The choice of the winner among the trials, and what of it is fitted on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from components.tuning.calibrate import Calibrated, HeldOut, calibrate
from components.tuning.export import predict
from components.tuning.families import family_named
from components.tuning.family import Rows
from components.tuning.threshold import ThresholdRule
from components.tuning.trial import TrialResult

FINALISTS = 3
FOLDS = 3


@dataclass(frozen=True)
class Finalist:
    """A trial that was cross-validated, with the AUC of each fold."""

    trial: TrialResult
    aucs: tuple[float, ...]
    held_out: HeldOut

    @property
    def auc(self) -> float:
        """Mean AUC over the folds."""
        return float(np.mean(self.aucs))


@dataclass(frozen=True)
class Winner:
    """The chosen trial, its calibration, and the threshold on calibrated held-out risks."""

    finalist: Finalist
    calibrated: Calibrated
    threshold: float

    @property
    def trial(self) -> TrialResult:
        """The trial that won."""
        return self.finalist.trial


def choose(trials: Sequence[TrialResult], rows: Rows, rule: ThresholdRule, seed: int) -> Winner:
    """Choose the winner by mean AUC over folds of patients among the best trials.

    The highest of many validation AUCs is partly luck: on a few thousand rows its standard error
    is larger than the distance between good trials. So the best trials of the search are fitted
    again on folds of training and validation rows, which holds four times the rows out that the
    validation set does. The same held-out probabilities then fit and judge the calibration and
    give the threshold; nothing is chosen on rows that the model was fitted on.

    Args:
        trials: of the search.
        rows: training and validation rows.
        rule: of the threshold.
        seed: of the folds and of every fit.
    """
    ranked = sorted(trials, key=lambda trial: -trial.best[1])[:FINALISTS]
    folds = _folds(rows, seed)
    finalist = max((_validated(trial, rows, folds, seed) for trial in ranked), key=lambda f: f.auc)
    calibrated = calibrate(finalist.held_out)
    risks = calibrated.calibration.apply(finalist.held_out.probabilities)
    return Winner(finalist, calibrated, rule.choose(rows.y, risks))


def _folds(rows: Rows, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row; no patient is in two."""
    folds = np.empty(rows.y.size, dtype=np.int64)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(splitter.split(rows.x, rows.y, rows.patient)):
        folds[held] = number
    return folds


def _validated(trial: TrialResult, rows: Rows, folds: NDArray[np.int64], seed: int) -> Finalist:
    probabilities = np.empty(rows.y.size)
    for held, found in _fits(trial, rows, folds, seed):
        probabilities[held] = found
    aucs = tuple(
        float(roc_auc_score(rows.y[folds == fold], probabilities[folds == fold]))
        for fold in range(FOLDS)
    )
    return Finalist(trial, aucs, HeldOut(probabilities, rows.y, rows.patient, folds))


def _fits(
    trial: TrialResult, rows: Rows, folds: NDArray[np.int64], seed: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    family, resource = family_named(trial.family), trial.best[0]
    for fold in range(FOLDS):
        held = folds == fold
        model = family.fit(trial.parameters, resource, rows.x[~held], rows.y[~held], seed)
        yield held, predict(model, rows.x[held])
