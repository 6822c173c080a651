from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from components.errors import InputError
from components.events import Report
from components.ingest.split import BATCHES, RUN_TABLES, batch_cuts
from components.ingest.step import IngestOutputs, open_source, run, staged, write_tables
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, provenance_of, read_table
from components.schema import encounter_schema
from components.settings import Settings

COHORT = "synthetic:rows=5000&seed=4"


def outputs_in(folder: Path) -> IngestOutputs:
    folder.mkdir()
    names = (*RUN_TABLES, "quarantine", "quality.html")
    return IngestOutputs(*(str(folder / name) for name in names))


def tables_of(outputs: IngestOutputs) -> dict[str, pa.Table]:
    return {name: read_table(getattr(outputs, name)) for name in RUN_TABLES}


def test_a_synthetic_cohort_becomes_five_tables_that_know_where_they_come_from(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    outputs, report = outputs_in(tmp_path / "out"), Report("ingest")
    run(COHORT, "", 2, 0.01, outputs, settings(), report)
    digest = hashlib.sha256(COHORT.encode()).hexdigest()
    for name, table in tables_of(outputs).items():
        assert tuple(table.column_names) == encounter_schema(history=True).names
        assert report.facts[f"{name}_rows"] == table.num_rows > 0
        said = provenance_of(table)
        assert said == Provenance(COHORT, digest, 5000, True, batch=2, cuts=said.cuts)
    assert report.facts["rows"] == 5000
    assert report.facts["removed"] > 0
    assert report.facts["set_aside"] == pq.read_table(outputs.quarantine).num_rows == 0
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {*RUN_TABLES, "quarantine", "quality.html"}


def test_the_cuts_are_the_first_encounters_of_the_batches(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    for batch in range(BATCHES + 1):
        outputs = outputs_in(tmp_path / str(batch))
        run(COHORT, "", batch, 0.01, outputs, settings(), Report("ingest"))
        newest = read_table(outputs.batch)
        first = newest["encounter_id"][0].as_py()
        cuts = provenance_of(newest).cuts
        assert len(cuts) == BATCHES
        assert first == cuts[batch - 1] if batch else first < cuts[0]


def test_the_quality_page_counts_what_it_found_and_says_synthetic(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    outputs, report = outputs_in(tmp_path / "out"), Report("ingest")
    run(COHORT, "", 1, 0.01, outputs, settings(), report)
    page = Path(outputs.quality).read_text("utf-8")
    assert '<span class="synthetic">synthetic data</span>' in page
    assert "rows=5000&amp;seed=4" in page
    for shown in ("Encounters", "5,000", "payer_code", "weight", f"{report.facts['train_rows']:,}"):
        assert shown in page
    assert "Distributions, newest batch against the reference" in page


def test_a_file_gives_the_tables_of_its_own_rows(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    file, outputs = tmp_path / "encounters.csv", outputs_in(tmp_path / "out")
    pa_csv.write_csv(synthesise(5000, seed=4), file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    run(str(file), sha256, 1, 0.01, outputs, settings(), Report("ingest"))
    said = provenance_of(read_table(outputs.test))
    assert said == Provenance(str(file), sha256, 5000, False, batch=1, cuts=said.cuts)
    assert "synthetic data" not in Path(outputs.quality).read_text("utf-8")
    drawn = outputs_in(tmp_path / "drawn")
    run(COHORT, "", 1, 0.01, drawn, settings(), Report("ingest"))
    assert read_table(outputs.train).to_pydict() == read_table(drawn.train).to_pydict()


def test_a_folder_of_parquet_parts_gives_the_tables_of_the_whole(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    folder, outputs = tmp_path / "parts", outputs_in(tmp_path / "out")
    folder.mkdir()
    whole = synthesise(5000, seed=4)
    for number in range(3):
        part = whole.slice(number * 1700, 1700)
        pq.write_table(part, folder / f"part-{number}.parquet")
    run(str(folder), "", 1, 0.01, outputs, settings(), Report("ingest"))
    drawn = outputs_in(tmp_path / "drawn")
    run(COHORT, "", 1, 0.01, drawn, settings(), Report("ingest"))
    assert read_table(outputs.train).to_pydict() == read_table(drawn.train).to_pydict()
    assert read_table(outputs.test).to_pydict() == read_table(drawn.test).to_pydict()


def test_rows_that_break_a_rule_are_set_aside_counted_and_shown(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    table = synthesise(5000, seed=4)
    days = table["time_in_hospital"].to_pylist()
    days[41] = days[4999] = 99
    table = table.set_column(9, "time_in_hospital", pa.array(days))
    file, outputs, report = tmp_path / "e.csv", outputs_in(tmp_path / "out"), Report("ingest")
    pa_csv.write_csv(table, file)
    run(str(file), "", 5, 0.01, outputs, settings(), report)
    aside = pq.read_table(outputs.quarantine)
    assert aside["row"].to_pylist() == [42, 5000]
    assert aside["rules"].to_pylist() == ["time_in_hospital takes an integer from 1 to 14"] * 2
    assert aside["time_in_hospital"].to_pylist() == ["99", "99"]
    assert report.facts["set_aside"] == 2
    page = Path(outputs.quality).read_text("utf-8")
    assert "2 (0.040%)" in page
    assert "&#39;99&#39; (2x)" in page
    for name in RUN_TABLES:
        assert 99 not in read_table(getattr(outputs, name))["time_in_hospital"].to_pylist()


@pytest.mark.parametrize(
    ("uri", "sha256", "batch", "most", "changes", "trouble"),
    [
        (COHORT, "", 0, 0.01, {"min_free_mb": 10**9}, "HEALTH_PREDICT_MIN_FREE_MB"),
        (COHORT, "", 6, 0.01, {}, "batch 6 is out of range"),
        (COHORT, "", 0, 1.5, {}, "data_max_quarantine 1.5 is no share"),
        (COHORT, "", 0, -0.1, {}, "data_max_quarantine -0.1 is no share"),
        ("synthetic:rows=50", "", 0, 0.01, {}, "too few"),
        ("synthetic:rows=-3", "", 0, 0.01, {}, "at least 1"),
        ("nowhere.csv", "", 0, 0.01, {}, "no such file"),
    ],
)
def test_what_cannot_be_ingested_is_an_input_error_and_writes_nothing(
    tmp_path: Path,
    settings: Callable[..., Settings],
    uri: str,
    sha256: str,
    batch: int,
    most: float,
    changes: dict[str, int],
    trouble: str,
) -> None:
    outputs = outputs_in(tmp_path / "out")
    with pytest.raises(InputError, match=trouble):
        run(uri, sha256, batch, most, outputs, settings(**changes), Report("ingest"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bad_row_at_the_end_of_a_long_file_is_named_and_leaves_nothing_behind(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    rows = 100_000  # more than one block of the reader
    table = synthesise(rows, seed=4)
    file, outputs = tmp_path / "encounters.csv", outputs_in(tmp_path / "out")
    ages = table["age"].to_pylist()
    ages[-2] = "[200-210)"
    pa_csv.write_csv(table.set_column(4, "age", pa.array(ages)), file)
    said = f"column 'age': 1 values refused, first in row {rows - 1}"
    with pytest.raises(InputError, match=said):
        run(str(file), "", 5, 0.01, outputs, settings(), Report("ingest"))
    assert list((tmp_path / "out").iterdir()) == []


REAL = Path(
    os.environ.get(
        "HEALTH_PREDICT_REAL_DATA",
        Path(__file__).parents[3] / "shared" / "data" / "dataset_diabetes.zip",
    )
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, pa.Table]]:
    """Return the tables of all six runs on the real file."""
    if not REAL.exists():
        pytest.skip(f"the real dataset is not at {REAL}: set HEALTH_PREDICT_REAL_DATA")
    folder = tmp_path_factory.mktemp("real")
    found = []
    with staged(open_source(str(REAL), "", folder, encounter_schema()), 0.01) as checked:
        assert (checked.findings.rows, checked.removed) == (101_766, 2_423)
        assert [(f.name, f.rows) for f in checked.findings.aside] == [("gender is known", 3)]
        for batch in range(BATCHES + 1):
            outputs = outputs_in(folder / str(batch))
            provenance = Provenance(str(REAL), "", 101_766, False, batch, batch_cuts(checked.ids))
            write_tables(checked, provenance, outputs)
            found.append(tables_of(outputs))
    return found


@pytest.mark.real
def test_the_real_file_splits_into_tables_of_known_size(real: list[dict[str, pa.Table]]) -> None:
    assert [t["batch"].num_rows for t in real] == [19868, 15894, 15894, 15895, 15894, 15895]
    assert [t["train"].num_rows for t in real] == [12037, 21562, 31194, 40787, 50393, 59815]
    assert [t["validation"].num_rows for t in real] == [3926, 7039, 10245, 13475, 16544, 19807]
    assert [t["test"].num_rows for t in real] == [3905, 3256, 3056, 3072, 3219, 3210]


@pytest.mark.real
def test_the_real_files_readmissions_swing_from_batch_to_batch(
    real: list[dict[str, pa.Table]],
) -> None:
    shares = [
        np.mean([label != "NO" for label in tables["batch"]["readmitted"].to_pylist()])
        for tables in real
    ]
    assert shares == pytest.approx([0.479, 0.394, 0.549, 0.512, 0.500, 0.391], abs=0.001)
