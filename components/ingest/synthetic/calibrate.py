"""Rewrite ``cohort.json`` from the real file.

Usage: ``python -m components.ingest.synthetic.calibrate FILE_OR_ZIP``.
Only aggregates are written: counts of at least ten encounters or patients, and coefficients.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.ingest.reader import read_batches
from components.ingest.synthetic.fit import Risk, fit_classes, fit_risk, one_hot
from components.ingest.synthetic.levels import SMALLEST_CELL, Coded, Texts, code_columns
from components.ingest.synthetic.people import patient_tables, running_number
from components.ingest.synthetic.sampling import Floats, Ints
from components.ingest.synthetic.tables import EARLIER, UTILISATION
from components.schema import encounter_schema

SOURCE = (
    "Aggregates of UCI Diabetes 130-US hospitals for years 1999-2008, doi 10.24432/C5230J, "
    "CC BY 4.0; cells under 10 suppressed, no row of the file"
)
ERAS = 5
LARGEST_PATIENT = 190_000_000
EARLIER_FROM = (0, 1, 2, 3, 6)
SHARPNESS_AGAIN, SHARPNESS_EARLY = 1.2, 1.0
"""Chosen so that one model reaches on synthetic rows the AUC that it reaches on real ones."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the file named on the command line and write ``cohort.json`` beside this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="diabetic_data.csv, or a zip that holds it")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("cohort.json"))
    options = parser.parse_args(arguments)
    data = calibrate(_read(options.file))
    options.output.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Texts]:
    """Return the file's columns as strings, in the order of ``encounter_id``."""
    table = pa.Table.from_batches(list(read_batches(path, encounter_schema())))
    order = np.argsort(table["encounter_id"].to_numpy().astype(np.int64))
    return {name: table[name].to_numpy()[order].astype(str) for name in table.column_names}


def calibrate(raw: Mapping[str, Texts]) -> dict[str, Any]:
    """Return what ``cohort.json`` holds, from the columns of the real file in time order."""
    rows = raw["encounter_id"].size
    era = np.arange(rows) * ERAS // rows
    coded = {**code_columns(raw), EARLIER: _earlier(raw["patient_nbr"].astype(np.int64))}
    levels = [entry.levels for entry in coded.values()]
    hot = one_hot([entry.rows for entry in coded.values()], levels)
    member = [fit_classes(hot[era == e], seed=e) for e in range(ERAS)]
    kinds = [m.T @ hot[era == e] for e, m in enumerate(member)]
    again, early = _risks(hot, raw["readmitted"], era)
    odds = np.split(np.stack((again.odds, early.odds)), np.cumsum(levels)[:-1], axis=2)
    by_class = np.split(np.vstack(kinds), np.cumsum(levels)[:-1], axis=1)
    return {
        "source": SOURCE,
        "smallest_cell": SMALLEST_CELL,
        "base": np.stack((again.base, early.base)).round(3).tolist(),
        "earlier": list(EARLIER_FROM),
        "identifiers": _identifiers(raw["encounter_id"].astype(np.int64)),
        "largest_patient": LARGEST_PATIENT,
        "classes": [m.sum(axis=0).round().astype(int).tolist() for m in member],
        "patients": patient_tables(raw["patient_nbr"].astype(np.int64), era, coded),
        "utilisation": _utilisation(coded, era),
        "variables": [
            _variable(name, entry, era, count, odd)
            for (name, entry), count, odd in zip(coded.items(), by_class, odds, strict=True)
        ],
    }


def _earlier(patient: Ints) -> Coded:
    """Code how many earlier encounters of the patient the file holds."""
    level = np.searchsorted(EARLIER_FROM, running_number(patient), side="right") - 1
    count = np.bincount(level)
    return Coded(EARLIER_FROM, np.arange(count.size), count, level, level)


def _risks(hot: Any, label: Texts, era: Ints) -> tuple[Risk, Risk]:
    """Fit the risk of a readmission, and of an early one given a readmission."""
    again = label != "NO"
    return (
        fit_risk(hot, again, era, SHARPNESS_AGAIN),
        fit_risk(hot[again], label[again] == "<30", era[again], SHARPNESS_EARLY),
    )


def _variable(name: str, entry: Coded, era: Ints, classes: Floats, odds: Floats) -> dict[str, Any]:
    eras = [np.bincount(entry.rows[era == e], minlength=entry.levels) for e in range(ERAS)]
    return {
        "name": name,
        "values": list(entry.values),
        "level": entry.level.tolist(),
        "count": entry.count.tolist(),
        "odds": odds.round(2).tolist(),
        "within": _within(entry, era),
        "eras": publishable(np.array(eras)),
        "classes": publishable(classes),
    }


def _within(entry: Coded, era: Ints) -> list[Any]:
    """Count values by era, where levels hold several; nothing where each holds one."""
    if len(entry.values) == entry.levels:
        return []
    seen = [entry.cells[(era == e) & (entry.cells >= 0)] for e in range(ERAS)]
    return publishable(np.array([np.bincount(c, minlength=len(entry.values)) for c in seen]))


def _utilisation(coded: Mapping[str, Coded], era: Ints) -> list[Any]:
    """Count levels of prior inpatient stays by (era, earlier bucket)."""
    rows, columns = coded[EARLIER], coded[UTILISATION]
    state = (era * rows.levels + rows.rows) * columns.levels + columns.rows
    counts = np.bincount(state, minlength=ERAS * rows.levels * columns.levels)
    return publishable(counts.reshape(-1, columns.levels))


def publishable(counts: Floats | Ints) -> list[Any]:
    """Round counts and set those under ten to zero."""
    whole = np.rint(counts).astype(int)
    return list(np.where(whole < SMALLEST_CELL, 0, whole).tolist())


def _identifiers(encounter: Ints) -> list[int]:
    """Return 21 evenly spaced quantiles of the identifiers, rounded to a hundred thousand."""
    grid = np.quantile(encounter, np.linspace(0.0, 1.0, 21))
    return list((grid.round(-5).astype(int) + 1).tolist())


if __name__ == "__main__":
    main()
