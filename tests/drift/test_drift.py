from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.drift.decision import DriftDecision, decide
from components.drift.statistics import ColumnDrift, column_drifts
from components.drift.step import run
from components.events import Report
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, write_table
from components.schema import encounter_schema

THRESHOLD = 0.2
REFERENCE, BATCH = 20_000, 16_000
CALM = [ColumnDrift("age", 0.05), ColumnDrift("race", 0.01)]


@pytest.fixture(scope="module")
def cohort() -> pa.Table:
    return synthesise(REFERENCE + BATCH, seed=11)


@pytest.fixture(scope="module")
def halves(cohort: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return a reference and a batch drawn from the same encounters, whatever their time."""
    order = np.random.default_rng(0).permutation(cohort.num_rows)
    return cohort.take(order[:REFERENCE]), cohort.take(order[REFERENCE:])


def psi(reference: pa.Table, batch: pa.Table) -> dict[str, float]:
    return {d.column: d.psi for d in column_drifts(reference, batch, encounter_schema())}


def shifted(table: pa.Table, column: str, share: float) -> pa.Table:
    """Give the first rows of a table the largest number, or the last level, of a column."""
    known = encounter_schema()[column]
    value = known.values[-1] if known.values else known.maximum
    first = pa.array(np.arange(table.num_rows) < share * table.num_rows)
    changed = pc.if_else(first, pa.scalar(value, table[column].type), table[column])
    return table.set_column(table.column_names.index(column), column, changed)


def test_a_table_has_not_drifted_from_itself(cohort: pa.Table) -> None:
    found = psi(cohort, cohort)
    assert set(found) == {column.name for column in encounter_schema().features}
    assert set(found.values()) == {0.0}


def test_rows_in_another_order_have_not_drifted(cohort: pa.Table) -> None:
    order = np.random.default_rng(1).permutation(cohort.num_rows)
    assert max(psi(cohort, cohort.take(order)).values()) == pytest.approx(0.0, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_draws_from_the_same_population_stay_far_below_the_threshold(seed: int) -> None:
    cohort = synthesise(REFERENCE + BATCH, seed=11)
    order = np.random.default_rng(seed).permutation(cohort.num_rows)
    found = psi(cohort.take(order[:REFERENCE]), cohort.take(order[REFERENCE:]))
    assert max(found.values()) < THRESHOLD / 2


@pytest.mark.parametrize(
    "column", ["number_inpatient", "time_in_hospital", "age", "payer_code", "admission_type_id"]
)
def test_psi_grows_with_a_shift_and_with_nothing_else(
    halves: tuple[pa.Table, pa.Table], column: str
) -> None:
    reference, batch = halves
    found = [psi(reference, shifted(batch, column, share)) for share in (0.0, 0.05, 0.2, 0.6)]
    sizes = [part[column] for part in found]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.01
    assert sizes[-1] > THRESHOLD
    others = [{name: value for name, value in part.items() if name != column} for part in found]
    assert all(other == others[0] for other in others)


def test_a_shifted_column_stands_first(halves: tuple[pa.Table, pa.Table]) -> None:
    reference, batch = halves
    drifts = column_drifts(reference, shifted(batch, "race", 0.5), encounter_schema())
    assert drifts[0].column == "race"
    assert [d.psi for d in drifts] == sorted((d.psi for d in drifts), reverse=True)


def test_a_value_that_the_reference_never_held_is_a_finite_drift(
    halves: tuple[pa.Table, pa.Table],
) -> None:
    reference, batch = halves
    new = batch.set_column(
        batch.column_names.index("payer_code"), "payer_code", pa.array(["new"] * batch.num_rows)
    )
    found = psi(reference, new)["payer_code"]
    assert THRESHOLD < found < 100


def test_codes_that_differ_after_the_point_are_the_same_diagnosis(cohort: pa.Table) -> None:
    at = cohort.column_names.index("diag_1")
    first = cohort.set_column(at, "diag_1", pa.array(["250.1"] * cohort.num_rows))
    second = cohort.set_column(at, "diag_1", pa.array(["250.83"] * cohort.num_rows))
    assert psi(first, second)["diag_1"] == 0.0


def test_numbers_are_compared_by_deciles_of_the_reference() -> None:
    schema = encounter_schema()
    base = synthesise(1000, seed=1)
    at = base.column_names.index("num_lab_procedures")
    reference = base.set_column(at, "num_lab_procedures", pa.array([*range(1, 101)] * 10))
    batch = base.set_column(at, "num_lab_procedures", pa.array([*range(1, 51)] * 20))
    by_hand = 5 * (0.2 - 0.1) * np.log(0.2 / 0.1) + 5 * (1e-4 - 0.1) * np.log(1e-4 / 0.1)
    found = {d.column: d.psi for d in column_drifts(reference, batch, schema)}
    assert found["num_lab_procedures"] == pytest.approx(by_hand)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("psi", [0.0, 5.0])
def test_batch_0_always_trains(psi: float, force: bool) -> None:
    decision = decide([ColumnDrift("age", psi)], 0, THRESHOLD, force)
    assert decision == DriftDecision(True, ("initial training",))


def test_a_calm_batch_needs_no_retraining_and_names_the_largest_shift() -> None:
    decision = decide(CALM, 1, THRESHOLD, force=False)
    assert not decision.retrain
    assert decision.reasons == ("no column drifted; largest shift: age PSI 0.050, below 0.2",)


def test_force_retrains_on_a_calm_batch_and_says_so() -> None:
    decision = decide(CALM, 1, THRESHOLD, force=True)
    assert decision.retrain
    assert decision.reasons[0] == "forced by drift_force"


@pytest.mark.parametrize("force", [False, True])
def test_every_drifted_column_is_named_from_the_threshold_on(force: bool) -> None:
    drifts = [ColumnDrift("payer_code", 1.5), ColumnDrift("age", 0.2), ColumnDrift("race", 0.19)]
    decision = decide(drifts, 3, THRESHOLD, force)
    assert decision == DriftDecision(True, ("drifted: payer_code PSI 1.50, age PSI 0.20",))


@pytest.mark.parametrize(
    ("share", "batch", "retrain", "shown"),
    [
        (0.0, 2, False, "keep the production model"),
        (0.5, 2, True, "drifted: race PSI"),
        (0.0, 0, True, "initial training"),
    ],
)
def test_the_step_decides_and_writes_the_page(
    tmp_path: Path,
    halves: tuple[pa.Table, pa.Table],
    share: float,
    batch: int,
    retrain: bool,
    shown: str,
) -> None:
    reference, newest = halves
    paths = [str(tmp_path / name) for name in ("reference", "batch", "page.html")]
    provenance = Provenance("synthetic:rows=36000", "0" * 64, 36_000, synthetic=True, batch=batch)
    write_table(reference, paths[0], provenance)
    write_table(shifted(newest, "race", share), paths[1], provenance)
    report = Report("drift")
    decision = run(paths[0], paths[1], THRESHOLD, False, paths[2], report)
    page = Path(paths[2]).read_text("utf-8")
    assert decision.retrain is report.facts["retrain"] is retrain
    assert report.facts["reasons"] == list(decision.reasons)
    assert f"Drift of batch {batch}" in page
    assert "synthetic data" in page
    assert shown in page
    assert all(column.name in page for column in encounter_schema().features)
