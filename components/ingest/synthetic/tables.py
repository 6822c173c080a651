"""The aggregate tables of ``cohort.json``, ready to draw from.

Every variable (a column, or the joint drug therapy) has levels of one or more raw values; within an
era, a fifth of the encounters in time order, a latent class has its own distribution over levels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from components.ingest.synthetic.sampling import Alias, Floats, Ints, restore

PERSON = ("race", "gender", "age")
"""Variables that belong to the patient."""

EARLIER = "earlier"
"""Bucket of the patient's number of earlier encounters in the file."""

UTILISATION = "number_inpatient"
"""Drawn from ``earlier`` before the class is: it carries most of the signal and must fit both."""

KNOWN = (*PERSON, EARLIER, UTILISATION)
"""Variables that condition an encounter's class, in the order of the class table."""

THERAPY = "therapy"
"""The 23 drugs and ``change`` together, so that their rules hold by construction."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable.

    Attributes:
        values: Raw values, those of a level side by side.
        levels: Draws a level given (era, class), flat.
        within: Draws a value's place in its level given (era, level), flat.
        start: Place in ``values`` of each level's first value.
        odds: What each (era, level), flat, adds to the log-odds of a readmission, and to those of
            an early one (within 30 days) given a readmission; shape (2, eras x levels).
    """

    name: str
    values: tuple[str | int, ...]
    levels: Alias
    within: Alias
    start: Ints
    odds: Floats

    @classmethod
    def of(cls, data: Mapping[str, Any], sizes: Floats) -> Variable:
        """Build a variable from its JSON and the class sizes, shape (eras, classes)."""
        level = np.array(data["level"])
        return cls(
            name=data["name"],
            values=tuple(data["values"]),
            levels=Alias.of(level_weights(data, sizes)),
            within=Alias.of(_within_weights(data)),
            start=np.searchsorted(level, np.arange(level[-1] + 1)),
            odds=np.array(data["odds"], dtype=float).reshape(2, -1),
        )

    def draw_values(self, era: Ints, level: Ints, rng: np.random.Generator) -> Ints:
        """Draw the index in ``values`` of each encounter's value, given its era and level."""
        if len(self.values) == self.start.size:
            return level
        return self.start[level] + self.within.draw(era * self.start.size + level, rng)


@dataclass(frozen=True, slots=True)
class Patients:
    """How patients are drawn: their number of encounters, when, and who they are.

    Attributes:
        size_range: Smallest and largest number of encounters of each size bin, shape (bins, 2).
        size: Draws a size bin.
        mean_size: Encounters per patient.
        span: Draws (first era, last era), flat, given a size bucket.
        person: Draws (race, gender, age), flat, given (size bucket, first era), flat.
        buckets: Lower bounds of the size buckets.
    """

    size_range: Ints
    size: Alias
    mean_size: float
    span: Alias
    person: Alias
    buckets: Ints


@dataclass(frozen=True, slots=True)
class Cohort:
    """All that the generator samples from.

    ``classes`` draws a class of the era given the era and ``KNOWN``, flat over ``shape``;
    ``utilisation`` draws a level given (era, earlier), flat; ``base`` holds each era's intercepts
    of the two risks, shape (2, eras).
    """

    variables: Mapping[str, Variable]
    classes: Alias
    utilisation: Alias
    shape: tuple[int, ...]
    per_era: int
    base: Floats
    earlier: Ints
    patients: Patients
    identifiers: Floats
    largest_patient: int

    @property
    def eras(self) -> int:
        """Number of eras."""
        return self.shape[0]

    @property
    def drawn(self) -> tuple[Variable, ...]:
        """Variables drawn from an encounter's class."""
        return tuple(v for name, v in self.variables.items() if name not in KNOWN)


def level_weights(data: Mapping[str, Any], sizes: Floats) -> Floats:
    """Return the weights of a variable's levels in each class, shape (eras x classes, L).

    A class's suppressed cells follow its era, an era's follow the whole file.
    """
    era_counts = np.array(data["eras"], dtype=float)
    eras = restore(era_counts, sizes.sum(axis=1), era_counts.sum(axis=0))
    background = np.repeat(eras, sizes.shape[1], axis=0)
    return restore(np.array(data["classes"], dtype=float), sizes.ravel(), background)


def _within_weights(data: Mapping[str, Any]) -> Floats:
    """Return the weights of values within their level, shape (eras x levels, most values)."""
    level, count = np.array(data["level"]), np.array(data["count"], dtype=float)
    place = np.arange(level.size) - np.searchsorted(level, level)
    weights = np.zeros((len(data["eras"]), level[-1] + 1, place.max() + 1))
    weights[:, level, place] = np.array(data["within"], dtype=float) if data["within"] else count
    overall = np.zeros(weights.shape[1:])
    overall[level, place] = count
    totals = np.array(data["eras"], dtype=float).ravel()
    return restore(weights.reshape(totals.size, -1), totals, np.tile(overall, (len(weights), 1)))


def _class_weights(tables: list[Floats], sizes: Floats) -> Floats:
    """Return P(class | era, known variables) by Bayes, shape (groups, classes)."""
    eras, per_era = sizes.shape
    joint = sizes.reshape(eras, per_era, *([1] * len(tables)))
    for axis, weights in enumerate(tables):
        chance = (weights / weights.sum(axis=1, keepdims=True)).reshape(eras, per_era, -1)
        shape = [eras, per_era] + [1] * len(tables)
        shape[2 + axis] = chance.shape[2]
        joint = joint * (chance.reshape(shape) + 1e-9)
    return np.moveaxis(joint, 1, -1).reshape(-1, per_era)


def _patients(data: Mapping[str, Any]) -> Patients:
    sizes = np.array(data["sizes"], dtype=np.int64)
    person = np.array(data["people"], dtype=float)
    everyone = np.array(data["everyone"], dtype=float)
    totals = np.array(data["people_totals"], dtype=float)
    return Patients(
        size_range=sizes[:, :2],
        size=Alias.of(sizes[None, :, 2].astype(float)),
        mean_size=float(np.average(sizes[:, :2].mean(axis=1), weights=sizes[:, 2])),
        span=Alias.of(np.array(data["spans"], dtype=float)),
        person=Alias.of(restore(person, totals, everyone)),
        buckets=np.array(data["buckets"], dtype=np.int64),
    )


@cache
def load_cohort() -> Cohort:
    """Return the tables that ship with the package.

    Source: UCI "Diabetes 130-US hospitals", doi 10.24432/C5230J, CC BY 4.0, as aggregates.
    """
    text = resources.files("components.ingest.synthetic").joinpath("cohort.json").read_text("utf-8")
    data = json.loads(text)
    sizes = np.array(data["classes"], dtype=float)
    raw = {entry["name"]: entry for entry in data["variables"]}
    tables = [level_weights(raw[name], sizes) for name in KNOWN]
    return Cohort(
        variables={name: Variable.of(entry, sizes) for name, entry in raw.items()},
        classes=Alias.of(_class_weights(tables, sizes)),
        utilisation=Alias.of(np.array(data["utilisation"], dtype=float) + 1e-9),
        shape=(sizes.shape[0], *(table.shape[1] for table in tables)),
        per_era=sizes.shape[1],
        base=np.array(data["base"], dtype=float),
        earlier=np.array(data["earlier"], dtype=np.int64),
        patients=_patients(data["patients"]),
        identifiers=np.array(data["identifiers"], dtype=float),
        largest_patient=int(data["largest_patient"]),
    )
