"""Measure the drift decision's error rates beside those of rules that look at p-values alone.

``make bench-drift DATA=...`` draws reference and batch from one population, whole patients at
random so that time plays no part, and counts false alarms; then it shifts the batch and counts
what is caught. It does so on the synthetic cohort and, when given, on a file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from benching import read_file, usable
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.drift.auc import Estimate, auc, auc_error
from components.drift.classifier import classifier_test
from components.drift.decision import DriftRules, Findings, decide
from components.drift.pair import Coded, Pair, coded, one_a_patient
from components.drift.performance import AucDrop, Performance
from components.drift.statistics import ColumnDrift, Measure, column_drifts
from components.features.batch import encode_table
from components.features.fit import fit_encoder
from components.features.target import Target
from components.ingest.synthetic import synthesise
from components.schema import encounter_schema

MODEL_ROWS, REFERENCE_ROWS, PROMOTION_ROWS = 20_000, 20_000, 4_000
SIZES = (2_000, 16_000)
SYNTHETIC_ROWS = 100_000
STRONG = ("number_inpatient", "num_medications", "time_in_hospital")
GRADUAL = (0.1, 0.2, 0.3, 0.5)

RULES = (
    "decision", "columns", "classifier", "AUC drop", "30 % of columns p < 0.05",
    "any column p < 0.05",
)  # fmt: skip
EXTREMES = ("largest PSI", "largest W1 / sd", "classifier AUC", "AUC drop")

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """Encounters, followed by the same encounters once for each drift.

    ``labels`` and ``risks`` are those of the encounters and their drifted copies.
    """

    columns: Mapping[str, Coded]
    patients: Ints
    encounters: Ints
    labels: NDArray[np.int8]
    risks: NDArray[np.float64]
    copies: Mapping[str, int]
    rows: Mapping[int, Ints]
    model_patients: Ints
    drawable: Ints

    def draw(self, batch: int, drift: str, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
        """Return the rows of a reference, a promotion's test and a batch; no patient in two."""
        order = rng.permutation(self.drawable)
        sizes = np.cumsum([self.rows[p].size for p in order.tolist()])
        ends = np.searchsorted(sizes, np.cumsum([REFERENCE_ROWS, PROMOTION_ROWS, batch]))
        parts = np.split(order, ends)[:3]
        drawn = [np.concatenate([self.rows[p] for p in part.tolist()]) for part in parts]
        return drawn[0], drawn[1], drawn[2] + self.copies[drift] * len(self.encounters)


@dataclass(frozen=True)
class Outcome:
    """What each rule said of one draw."""

    findings: Findings
    said: tuple[bool, ...]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="csv or zip of encounters")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--power-draws", type=int, default=50)
    options = parser.parse_args()
    tables = {"synthetic cohort": synthesise(SYNTHETIC_ROWS, seed=7)}
    if options.data:
        tables["file"] = read_file(options.data)
    for name, table in tables.items():
        _report(name, population(usable(table)), options.draws, options.power_draws)
    return 0


def population(table: pa.Table) -> Population:
    """Prepare encounters: one quick model, drifted copies, everything coded once."""
    patients = table["patient_nbr"].to_numpy()
    distinct = np.random.default_rng(0).permutation(np.unique(patients))
    order = np.argsort(patients, kind="stable")
    names, starts = np.unique(patients[order], return_index=True)
    rows = dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
    sizes = np.cumsum([rows[p].size for p in distinct.tolist()])
    end = int(np.searchsorted(sizes, MODEL_ROWS))
    fitted = np.concatenate([rows[p] for p in distinct[:end].tolist()])
    score = _model(table.take(fitted))
    labels = Target.ANY.labels(table)
    drifts = {"none": table, "concept": table, "strong": _strong(table)}
    drifts |= {f"gradual {size}": _gradual(table, size) for size in GRADUAL}
    whole = pa.concat_tables(drifts.values())
    schema = encounter_schema()
    chance = np.random.default_rng(2).random(labels.size) < labels.mean()
    redrawn = np.random.default_rng(3).random(labels.size) < 0.5
    flipped = np.where(redrawn, chance, labels).astype(np.int8)
    return Population(
        {c.name: coded(whole[c.name], c) for c in schema.features},
        np.tile(patients, len(drifts)),
        table["encounter_id"].to_numpy(),
        np.concatenate([flipped if name == "concept" else labels for name in drifts]),
        np.concatenate([score(each) for each in drifts.values()]),
        {name: place for place, name in enumerate(drifts)},
        rows,
        distinct[:end],
        distinct[end:],
    )


def examine(people: Population, batch: int, drift: str, seed: int) -> Outcome:
    """Draw once, and ask every rule."""
    rng = np.random.default_rng([seed, batch, people.copies[drift]])
    reference, promotion, newest = people.draw(batch, drift, rng)
    rows = np.concatenate([reference, newest])
    sides = Pair(
        {name: replace(c, codes=c.codes[rows]) for name, c in people.columns.items()},
        np.arange(rows.size) >= reference.size,
        one_a_patient(people.patients[rows], people.encounters[rows % people.encounters.size]),
        people.patients[rows],
    )
    columns = tuple(column_drifts(sides))
    every = column_drifts(replace(sides, independent=np.ones(rows.size, dtype=bool)))
    drop = AucDrop(_promotion_auc(people, promotion), _auc(people, newest))
    findings = Findings(1, "1", columns, classifier_test(sides), Performance(drop=drop))
    rules, significant = DriftRules(), [c.p < 0.05 for c in every]
    return Outcome(
        findings,
        (
            decide(findings, rules).retrain,
            any(rules.drifted(c) for c in columns),
            bool(findings.classifier and rules.told_apart(findings.classifier)),
            rules.fell(drop),
            float(np.mean(significant)) >= 0.3,
            any(significant),
        ),
    )


def wilson(hits: int, draws: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    z, share = 1.96, hits / draws
    middle = (share + z**2 / (2 * draws)) / (1 + z**2 / draws)
    half = z * np.sqrt(share * (1 - share) / draws + z**2 / (4 * draws**2)) / (1 + z**2 / draws)
    return max(0.0, middle - half), min(1.0, middle + half)


def _report(name: str, people: Population, draws: int, power_draws: int) -> None:
    for title, conditions, number in (
        ("false alarms, same population", ["none"], draws),
        ("power", [drift for drift in people.copies if drift != "none"], power_draws),
    ):
        print(f"\n**{name}: {title}** ({number} draws each, 95 % interval)\n")
        _print(_lines(people, conditions, number))


def _lines(people: Population, drifts: list[str], draws: int) -> Iterator[list[str]]:
    yield ["drift", "rows", *RULES, *EXTREMES]
    for drift in drifts:
        for size in SIZES:
            found = [examine(people, size, drift, seed) for seed in range(draws)]
            yield [drift, f"{size:,}", *_shares(found), *_extremes(found)]
            print(".", end="", file=sys.stderr, flush=True)


def _shares(found: list[Outcome]) -> Iterator[str]:
    for rule in range(len(RULES)):
        hits = sum(outcome.said[rule] for outcome in found)
        low, high = wilson(hits, len(found))
        yield f"{hits / len(found):.1%} ({low:.1%} to {high:.1%})"


def _extremes(found: list[Outcome]) -> Iterator[str]:
    results = [outcome.findings for outcome in found]
    yield _spread([max(c.psi for c in r.columns) for r in results])
    yield _spread([max(c.distance for c in _ordered(r)) for r in results])
    yield _spread([r.classifier.value if r.classifier else 0.5 for r in results])
    yield _spread([r.performance.drop.value if r.performance.drop else 0.0 for r in results])


def _ordered(found: Findings) -> list[ColumnDrift]:
    return [c for c in found.columns if c.measure is Measure.WASSERSTEIN]


def _spread(values: list[float]) -> str:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _print(lines: Iterator[list[str]]) -> None:
    for number, line in enumerate(lines):
        print("| " + " | ".join(line) + " |", flush=True)
        if number == 0:
            print("|" + " --- |" * len(line))


def _auc(people: Population, rows: Ints) -> Estimate:
    found = auc(people.labels[rows], people.risks[rows], people.patients[rows])
    if found is None:
        raise SystemExit("a draw holds one label only; use more data")
    return found


def _promotion_auc(people: Population, rows: Ints) -> Estimate:
    value, positives = _auc(people, rows).value, float(people.labels[rows].sum())
    return Estimate(value, auc_error(value, positives, rows.size - positives))


def _model(table: pa.Table) -> Callable[[pa.Table], NDArray[np.float64]]:
    labels = Target.ANY.labels(table)
    fitted = fit_encoder(table, labels, encounter_schema())
    encoder = fitted.encoder
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    model.fit(fitted.encode_training(table), labels)
    return lambda rows: np.asarray(model.decision_function(encode_table(encoder, rows)))


def _strong(table: pa.Table) -> pa.Table:
    for name in STRONG:
        table = _moved(table, name, 0.3)
    return table


def _gradual(table: pa.Table, size: float) -> pa.Table:
    """Add to the number of diagnoses and to the age, in standard deviations."""
    table = _moved(table, "number_diagnoses", size)
    bands = np.array(encounter_schema()["age"].values)
    place = pc.index_in(table["age"], pa.array(bands)).to_numpy()
    older = np.minimum(place + _steps(place, size, np.random.default_rng(4)), bands.size - 1)
    return table.set_column(table.column_names.index("age"), "age", pa.array(bands[older]))


def _moved(table: pa.Table, name: str, size: float) -> pa.Table:
    """Add to a number, but never beyond what one encounter in a hundred has."""
    values = table[name].to_numpy()
    moved = values + _steps(values, size, np.random.default_rng(5))
    most = np.maximum(values, int(np.quantile(values, 0.99)))
    clipped = pa.array(np.minimum(moved, most))
    return table.set_column(table.column_names.index(name), name, clipped)


def _steps(values: Ints, size: float, rng: np.random.Generator) -> Ints:
    """Return whole steps whose mean is ``size`` standard deviations."""
    steps: Ints = np.floor(size * values.std() + rng.random(values.size)).astype(np.int64)
    return steps


if __name__ == "__main__":
    sys.exit(main())
