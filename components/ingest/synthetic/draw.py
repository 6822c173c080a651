"""A synthetic cohort with the columns, rules and signal of the real file, for runs without it.

Patients and their encounter times come first, then each encounter's latent class, its columns, and
its label from a logistic risk. Nothing is copied from the real file: see ``cohort.json``.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from components.errors import InputError
from components.ingest.synthetic.drifts import DEATHS, Drift, apply_drift
from components.ingest.synthetic.patients import Slots, draw_slots, stationary
from components.ingest.synthetic.sampling import Floats, Ints
from components.ingest.synthetic.tables import (
    EARLIER,
    PERSON,
    THERAPY,
    UTILISATION,
    Cohort,
    load_cohort,
)
from components.schema import MISSING, Column, encounter_schema

LABELS = ("<30", ">30", "NO")
EARLY, LATE, NONE = range(3)


def synthesise(rows: int, seed: int, drift: Drift = Drift.CALENDAR) -> pa.Table:
    """Return ``rows`` synthetic encounters, sorted by ``encounter_id``; same arguments, same table.

    Columns stand in schema order: int64 for integer columns, string for the others.

    Args:
        rows: number of encounters.
        seed: of every draw.
        drift: how they change over time.

    Raises:
        InputError: ``rows`` is below 1.
    """
    if rows < 1:
        raise InputError(f"cannot synthesise {rows} rows: ask for at least 1")
    cohort, rng = load_cohort(), np.random.default_rng(seed)
    slots = draw_slots(cohort, rows, rng)
    if drift is not Drift.CALENDAR:
        slots = stationary(cohort, slots, rng)
    levels = _draw_levels(cohort, slots, rng)
    variables = [v for name, v in cohort.variables.items() if name != EARLIER]
    picks = {v.name: v.draw_values(slots.era, levels[v.name], rng) for v in variables}
    label = _draw_labels(cohort, slots, levels, picks, rng)
    if drift is Drift.CALENDAR:
        order = _match(slots, label, rng)
    else:
        order = _match_dead(slots, _dead(cohort, picks), rng)
    picks = {name: pick[order] for name, pick in picks.items()}
    return apply_drift(_table(cohort, slots, picks, label[order]), drift, seed)


def _draw_levels(cohort: Cohort, slots: Slots, rng: np.random.Generator) -> dict[str, Ints]:
    """Draw a class for each slot, then every variable's level given the class."""
    bucket = slots.era * cohort.earlier.size + slots.earlier
    used = cohort.utilisation.draw(bucket, rng)
    group = slots.group * cohort.shape[-1] + used
    kind = slots.era * cohort.per_era + cohort.classes.draw(group, rng)
    levels = {v.name: v.levels.draw(kind, rng) for v in cohort.drawn}
    known = zip(PERSON, (slots.race, slots.gender, slots.age), strict=True)
    return levels | dict(known) | {EARLIER: slots.earlier, UTILISATION: used}


def _draw_labels(
    cohort: Cohort,
    slots: Slots,
    levels: dict[str, Ints],
    picks: dict[str, Ints],
    rng: np.random.Generator,
) -> Ints:
    """Draw the label from the two risks; the dead are not readmitted."""
    logit: Floats = cohort.base.take(slots.era, axis=1)
    for name, variable in cohort.variables.items():
        cell = slots.era * (variable.odds.shape[1] // cohort.eras) + levels[name]
        logit += variable.odds.take(cell, axis=1)
    chance = 1.0 / (1.0 + np.exp(-logit))
    again, early = rng.random((2, slots.era.size)) < chance
    label = np.where(again, np.where(early, EARLY, LATE), NONE)
    return np.where(_dead(cohort, picks), NONE, label)


def _dead(cohort: Cohort, picks: dict[str, Ints]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    disposition = cohort.variables["discharge_disposition_id"]
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isin(
        np.array(disposition.values), DEATHS
    )[picks[disposition.name]]
    return found


def _match(slots: Slots, label: Ints, rng: np.random.Generator) -> Ints:
    """Say which drawn encounter fills which slot, so that patients who return were readmitted.

    Encounters of one group are exchangeable, so this changes no distribution within it. An early
    readmission is in the file somewhat more often than a late one; ``0.8`` makes it so.
    """
    noise = rng.random((2, label.size))
    slot_key = slots.group + 0.5 * ~slots.returns + 0.49 * noise[0]
    row_key = slots.group + np.choose(label, (0.8 * 0.8 * noise[1], 0.8 * noise[1], 0.9))
    order = np.empty_like(label)
    order[np.argsort(slot_key)] = np.argsort(row_key)
    return order


def _match_dead(
    slots: Slots, dead: np.ndarray[tuple[int], np.dtype[np.bool_]], rng: np.random.Generator
) -> Ints:
    """Give slots without a later encounter to the dead, all others at random.

    Labels are not matched with returns: those become rarer towards the end of the file, and the
    share of readmitted encounters would fall with them.
    """
    noise = rng.random((2, dead.size))
    order = np.empty_like(slots.group)
    order[np.argsort(slots.group + 0.5 * ~slots.returns + 0.49 * noise[0])] = np.argsort(
        slots.group + np.where(dead, 0.99, 0.98 * noise[1])
    )
    return order


def _table(cohort: Cohort, slots: Slots, picks: dict[str, Ints], label: Ints) -> pa.Table:
    """Turn values' indices into the schema's columns."""
    columns = {
        "encounter_id": pa.array(slots.encounter_id),
        "patient_nbr": pa.array(slots.patient_nbr),
        "readmitted": pa.array(LABELS).take(pa.array(label)),
    }
    _blank_absent_diagnoses(cohort, picks)
    for column in encounter_schema():
        if column.name in picks:
            values = cohort.variables[column.name].values
            columns[column.name] = _column(column, values, picks[column.name])
    columns |= _therapy(cohort, picks[THERAPY])
    names = encounter_schema().names
    return pa.table([columns[name] for name in names], names=list(names))


def _column(column: Column, values: tuple[str | int, ...], pick: Ints) -> pa.Array:
    kind = pa.int64() if column.is_integer else pa.string()
    return pa.array(values, type=kind).take(pa.array(pick))


def _blank_absent_diagnoses(cohort: Cohort, picks: dict[str, Ints]) -> None:
    """A patient with fewer than two or three diagnoses has no second or third one."""
    number = np.array(cohort.variables["number_diagnoses"].values)[picks["number_diagnoses"]]
    for name, needed in (("diag_2", 2), ("diag_3", 3)):
        blank = cohort.variables[name].values.index(MISSING)
        picks[name] = np.where(number < needed, blank, picks[name])


def _therapy(cohort: Cohort, pick: Ints) -> dict[str, pa.Array]:
    """Spell the therapies out: 23 drugs, ``change`` and ``diabetesMed``.

    A therapy reads ``change|drug:dose|...`` and lists the drugs that are not ``No``.
    """
    parsed = [str(text).split("|") for text in cohort.variables[THERAPY].values]
    doses = [dict(part.split(":") for part in parts[1:]) for parts in parsed]
    spelled = {drug: [dose.get(drug, "No") for dose in doses] for drug in encounter_schema().drugs}
    spelled["change"] = [parts[0] for parts in parsed]
    spelled["diabetesMed"] = ["Yes" if dose else "No" for dose in doses]
    index = pa.array(pick)
    return {name: pa.array(values).take(index) for name, values in spelled.items()}
