"""Whether and how the winner's probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from components.registry.calibration import Calibration, CalibrationKind
from components.tuning.family import Labels, Patients, Probabilities

_EDGE = 1e-7
_LEVEL = 1.96


@dataclass(frozen=True)
class HeldOut:
    """Probabilities of rows that the model which gave them had not seen.

    Attributes:
        probabilities: shape ``(rows,)``.
        labels: 0 or 1, shape ``(rows,)``.
        patients: patient of each row, shape ``(rows,)``.
        folds: fold in which each row was held out, shape ``(rows,)``; no patient is in two.
    """

    probabilities: Probabilities
    labels: Labels
    patients: Patients
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class Calibrated:
    """The chosen map and the held-out Brier scores without and with it."""

    calibration: Calibration
    brier_before: float
    brier_after: float


def calibrate(held_out: HeldOut) -> Calibrated:
    """Choose no map, Platt's line or isotonic regression, and fit it on all held-out rows.

    A map is fitted on all folds but one and judged on that one. It is taken only when it lowers
    the Brier score by more than chance does: by more than 1.96 standard errors, which allow for
    several rows of a patient (Liang and Zeger 1986, doi 10.1093/biomet/73.1.13).
    """
    before = (held_out.probabilities - held_out.labels) ** 2
    best, after = Calibration(), before
    for fit in (_platt, _isotonic):
        loss = (_cross_fitted(fit, held_out) - held_out.labels) ** 2
        if loss.mean() < after.mean() and _sure(before - loss, held_out.patients):
            best, after = fit(held_out.probabilities, held_out.labels), loss
    return Calibrated(best, float(before.mean()), float(after.mean()))


def _cross_fitted(
    fit: Callable[[Probabilities, Labels], Calibration], held_out: HeldOut
) -> Probabilities:
    risks = np.empty_like(held_out.probabilities)
    for fold in np.unique(held_out.folds):
        inside = held_out.folds == fold
        found = fit(held_out.probabilities[~inside], held_out.labels[~inside])
        risks[inside] = found.apply(held_out.probabilities[inside])
    return risks


def _sure(gain: NDArray[np.float64], patients: Patients) -> bool:
    _, patient = np.unique(patients, return_inverse=True)
    spread = np.bincount(patient, weights=gain - gain.mean())
    return bool(gain.sum() > _LEVEL * np.sqrt((spread**2).sum()))


def _platt(probabilities: Probabilities, labels: Labels) -> Calibration:
    inside = np.clip(probabilities, _EDGE, 1 - _EDGE)
    logits = np.log(inside / (1 - inside)).reshape(-1, 1)
    line = LogisticRegression(C=np.inf).fit(logits, labels)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    if not slope > 0:  # the probabilities say nothing, or the opposite: no monotone map mends that
        return Calibration()
    return Calibration(CalibrationKind.PLATT, slope, intercept)


def _isotonic(probabilities: Probabilities, labels: Labels) -> Calibration:
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(probabilities, labels)
    x, y = fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist()
    if len(x) < 2:
        return Calibration()
    return Calibration(CalibrationKind.ISOTONIC, x=tuple(x), y=tuple(y))
