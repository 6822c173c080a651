from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.drift.window import read_rows, source_of, window_end
from components.ingest.tables import Provenance, write_table

CUTS = (100, 200, 300, 400, 500)
PROVENANCE = Provenance("file:///a.csv", "0" * 64, 600, synthetic=False, batch=3, cuts=CUTS)


@pytest.mark.parametrize(
    ("trained", "newest", "end"),
    [(0, 1, 100), (0, 3, 100), (1, 3, 200), (2, 3, 300), (3, 3, 300), (5, 3, 300), (5, 5, 500)],
)
def test_the_reference_ends_where_production_stopped_and_before_the_batch(
    trained: int, newest: int, end: int
) -> None:
    assert window_end(CUTS, trained, newest) == end


@pytest.fixture
def paths(tmp_path: Path, cohort: pa.Table) -> list[str]:
    found = [str(tmp_path / name) for name in ("train", "validation")]
    for path, part in zip(found, (cohort.slice(0, 9_000), cohort.slice(9_000)), strict=True):
        write_table(part, path, PROVENANCE)
    return found


def test_rows_of_both_tables_before_the_end_are_read(paths: list[str], cohort: pa.Table) -> None:
    assert read_rows(paths).equals(cohort.combine_chunks().replace_schema_metadata(), False)
    before = read_rows(paths, before=501)
    assert before["encounter_id"].to_pylist() == [*range(1, 501)]


def test_more_rows_than_allowed_are_thinned_by_whole_patients_always_the_same(
    paths: list[str], cohort: pa.Table
) -> None:
    found = read_rows(paths, most=4_000)
    assert 3_500 < found.num_rows < 4_500
    chosen = pc.is_in(cohort["patient_nbr"], found["patient_nbr"].combine_chunks())
    assert pc.sum(chosen).as_py() == found.num_rows
    assert found.equals(read_rows(paths, most=4_000))


def test_where_a_table_came_from_is_known_without_reading_it(paths: list[str]) -> None:
    assert source_of(paths[0]) == PROVENANCE
