"""What a model family is to the search: its space, how it grows, and how it is refitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]
Patients = NDArray[np.int64]
Probabilities = NDArray[np.float64]
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Matrices:
    """Encoded rows, labels and patient numbers of the training and validation patients."""

    x_train: Matrix
    y_train: Labels
    x_validation: Matrix
    y_validation: Labels
    patient_train: Patients
    patient_validation: Patients

    @classmethod
    def read(cls, folder: Path) -> Matrices:
        """Read the features step's output."""
        with np.load(folder / "train.npz") as train, np.load(folder / "validation.npz") as other:
            return cls(
                x_train=train["x"],
                y_train=train["y"],
                x_validation=other["x"],
                y_validation=other["y"],
                patient_train=train["patient"],
                patient_validation=other["patient"],
            )

    def joined(self) -> Rows:
        """Return the training rows followed by the validation rows.

        A patient is in one of the two alone, but the numbers of each count from anywhere: the
        validation patients get numbers of their own.
        """
        apart = self.patient_validation - self.patient_validation.min()
        return Rows(
            np.concatenate([self.x_train, self.x_validation]),
            np.concatenate([self.y_train, self.y_validation]),
            np.concatenate([self.patient_train, apart + self.patient_train.max() + 1]),
        )


@dataclass(frozen=True)
class Rows:
    """Encoded rows ``x``, their labels ``y``, and the patient of each."""

    x: Matrix
    y: Labels
    patient: Patients


@dataclass(frozen=True)
class Growth:
    """A growing model's validation probabilities after ``resource`` rounds, trees or passes."""

    resource: int
    probabilities: Probabilities


@dataclass(frozen=True)
class Family:
    """One model family.

    Attributes:
        name: as it stands in the registry.
        space: builds the search space, in Ray Tune's terms.
        start: configurations that are tried first: what won on this data before.
        prepare: makes of the matrices what every trial of the family needs, once a worker.
        grow: fits on what was prepared, in steps, and yields after each.
        fit: refits with known parameters and resource; returns the estimator.
        resource: the most rounds, trees or passes.
        patience: resource without a better validation AUC after which a trial ends.
        progress: how far a configuration has learned after so much resource; what ASHA compares.
        grace: progress below which ASHA stops no trial.
        share: share of the search's trials.
    """

    name: str
    space: Callable[[], dict[str, Any]]
    start: tuple[Parameters, ...]
    prepare: Callable[[Matrices], Any]
    grow: Callable[[Parameters, Any, int], Iterator[Growth]]
    fit: Callable[[Parameters, int, Matrix, Labels, int], Any]
    resource: int
    patience: int
    progress: Callable[[Parameters, int], float]
    grace: float
    share: float


def counted(parameters: Parameters, resource: int) -> float:
    """Measure progress by the resource itself."""
    return float(resource)
