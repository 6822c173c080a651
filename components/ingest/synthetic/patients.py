"""Who comes when: the patients of a synthetic cohort and the times of their encounters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from components.ingest.synthetic.sampling import Floats, Ints
from components.ingest.synthetic.tables import PERSON, Cohort

BRACKETS = 0.6
"""Age brackets from the first to the last encounter of the file: 9 % of repeaters change theirs."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Encounters still without clinical content, in time order; arrays of shape (rows,).

    ``group`` numbers (era, race, gender, age, earlier bucket), flat;
    ``returns`` says whether the patient has a later encounter.
    """

    era: Ints
    race: Ints
    gender: Ints
    age: Ints
    earlier: Ints
    group: Ints
    returns: np.ndarray[tuple[int], np.dtype[np.bool_]]
    encounter_id: Ints
    patient_nbr: Ints


def draw_slots(cohort: Cohort, rows: int, rng: np.random.Generator) -> Slots:
    """Draw the patients of ``rows`` encounters and lay their encounters out in time."""
    size = _sizes(cohort, rows, rng)
    patient = np.repeat(np.arange(size.size), size)
    bucket = np.searchsorted(cohort.patients.buckets, size, side="right") - 1
    time, first_era = _times(cohort, size, patient, bucket, rng)
    order = np.lexsort((time, patient))
    time, nth = time[order], _running(size)
    person = _people(cohort, bucket, first_era, rng)
    age = _ages(person["age"], time, size, len(cohort.variables["age"].values), rng)
    by_time = np.argsort(time, kind="stable")
    patient, nth = patient[by_time], nth[by_time]
    era = (np.arange(rows) * 2 + 1) * cohort.eras // (2 * rows)
    race, gender, age = person["race"][patient], person["gender"][patient], age[by_time]
    earlier = np.searchsorted(cohort.earlier, nth, side="right") - 1
    group = np.ravel_multi_index((era, race, gender, age, earlier), cohort.shape[:5])
    return Slots(
        era, race, gender, age, earlier, group.astype(np.int64),
        returns=nth + 1 < size[patient],
        encounter_id=_encounter_ids(cohort, rows, rng),
        patient_nbr=_patient_numbers(cohort, size.size, rng)[patient],
    )  # fmt: skip


def stationary(cohort: Cohort, slots: Slots, rng: np.random.Generator) -> Slots:
    """Make what an encounter is independent of when it is.

    Persons are dealt out anew among the patients, who no longer age, and (era, earlier encounters)
    among the slots.
    """
    _, first, who = np.unique(slots.patient_nbr, return_index=True, return_inverse=True)
    person = first[rng.permutation(first.size)][who]
    place = rng.permutation(slots.era.size)
    race, gender, age = slots.race[person], slots.gender[person], slots.age[person]
    era, earlier = slots.era[place], slots.earlier[place]
    group = np.ravel_multi_index((era, race, gender, age, earlier), cohort.shape[:5])
    return replace(
        slots, era=era, race=race, gender=gender, age=age, earlier=earlier,
        group=group.astype(np.int64),
    )  # fmt: skip


def _sizes(cohort: Cohort, rows: int, rng: np.random.Generator) -> Ints:
    """Draw encounters per patient until ``rows`` are reached; the last patient is cut to fit."""
    tables, sizes = cohort.patients, np.empty(0, dtype=np.int64)
    while sizes.sum() < rows:
        missing = int((rows - sizes.sum()) / tables.mean_size * 1.02) + 16
        low, high = tables.size_range[tables.size.draw(np.zeros(missing, dtype=np.int64), rng)].T
        sizes = np.concatenate((sizes, rng.integers(low, high + 1)))
    last = int(np.searchsorted(np.cumsum(sizes), rows))
    sizes = sizes[: last + 1].copy()
    sizes[last] -= sizes.sum() - rows
    return sizes


def _running(size: Ints) -> Ints:
    """Return 0, 1, 2, ... within each patient."""
    start = np.cumsum(size) - size
    return np.arange(size.sum()) - np.repeat(start, size)


def _times(
    cohort: Cohort, size: Ints, patient: Ints, bucket: Ints, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """Return each encounter's time (0 to 1, unsorted within a patient) and the first eras.

    The first and last encounters follow the cohort's table of eras; the rest fall between them.
    """
    first_era, last_era = np.divmod(cohort.patients.span.draw(bucket, rng), cohort.eras)
    ends = np.stack((first_era, last_era)) + rng.random((2, size.size))
    low, high = np.where(size == 1, ends[:1], np.sort(ends, axis=0)) / cohort.eras
    nth = _running(size)
    share = rng.random(patient.size)
    share[nth == 0] = 0.0
    share[nth == 1] = 1.0
    return low[patient] + share * (high - low)[patient], first_era


def _people(
    cohort: Cohort, bucket: Ints, first_era: Ints, rng: np.random.Generator
) -> dict[str, Ints]:
    """Draw race, gender and age at the first encounter, as levels."""
    flat = cohort.patients.person.draw(bucket * cohort.eras + first_era, rng)
    levels = np.unravel_index(flat, cohort.shape[1:4])
    return {name: level.astype(np.int64) for name, level in zip(PERSON, levels, strict=True)}


def _ages(first: Ints, time: Floats, size: Ints, brackets: int, rng: np.random.Generator) -> Ints:
    """Age patients as time passes: ``time`` is grouped by patient, ascending."""
    start = np.repeat(time[np.cumsum(size) - size], size)
    within = np.repeat(rng.random(size.size), size)
    grown = np.repeat(first, size) + (within + (time - start) * BRACKETS).astype(np.int64)
    return np.asarray(np.minimum(grown, brackets - 1), dtype=np.int64)


def _encounter_ids(cohort: Cohort, rows: int, rng: np.random.Generator) -> Ints:
    """Return ascending unique identifiers, spread as the file's are."""
    share = (np.arange(rows) + rng.random(rows)) / rows
    grid = np.linspace(0.0, 1.0, cohort.identifiers.size)
    raw = np.interp(share, grid, cohort.identifiers).astype(np.int64)
    step = np.arange(rows, dtype=np.int64)
    ascending: Ints = np.maximum.accumulate(raw - step) + step
    return ascending


def _patient_numbers(cohort: Cohort, patients: int, rng: np.random.Generator) -> Ints:
    """Return unique patient numbers that say nothing about time or size."""
    stride = max(1, cohort.largest_patient // patients)
    return 1 + rng.permutation(patients) * stride + rng.integers(0, stride, patients)
