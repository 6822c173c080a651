from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as pa_csv
import pytest

from components.errors import InputError
from components.events import Report
from components.ingest.step import IngestOutputs, run
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, provenance_of, read_table
from components.schema import encounter_schema
from components.settings import Settings

TABLES = ("reference", "batch", "train", "validation", "test")
COHORT = "synthetic:rows=5000&seed=4"


def outputs_in(folder: Path) -> IngestOutputs:
    folder.mkdir()
    return IngestOutputs(*(str(folder / name) for name in (*TABLES, "quality.html")))


def test_a_synthetic_cohort_becomes_five_tables_that_know_where_they_come_from(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    outputs, report = outputs_in(tmp_path / "out"), Report("ingest")
    split = run(COHORT, "", 2, outputs, settings(), report)
    digest = hashlib.sha256(COHORT.encode()).hexdigest()
    for name in TABLES:
        table = read_table(getattr(outputs, name))
        assert tuple(table.column_names) == encounter_schema().names
        assert table.to_pydict() == getattr(split, name).to_pydict()
        assert provenance_of(table) == Provenance(COHORT, digest, 5000, synthetic=True, batch=2)
        assert report.facts[f"{name}_rows"] == table.num_rows
    assert report.facts["rows"] == 5000
    assert report.facts["removed"] == split.removed > 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*TABLES, "quality.html"}


def test_the_quality_page_counts_what_is_missing_and_says_synthetic(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    outputs = outputs_in(tmp_path / "out")
    split = run(COHORT, "", 0, outputs, settings(), Report("ingest"))
    page = Path(outputs.quality).read_text("utf-8")
    assert '<span class="synthetic">synthetic data</span>' in page
    assert "rows=5000&amp;seed=4" in page
    for shown in ("Encounters", "5,000", "payer_code", "weight", str(split.train.num_rows)):
        assert shown in page


def test_a_file_gives_the_tables_of_its_own_rows(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    file, outputs = tmp_path / "encounters.csv", outputs_in(tmp_path / "out")
    pa_csv.write_csv(synthesise(5000, seed=4), file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    from_file = run(str(file), sha256, 1, outputs, settings(), Report("ingest"))
    source = Provenance(str(file), sha256, 5000, synthetic=False, batch=1)
    assert provenance_of(read_table(outputs.test)) == source
    assert "synthetic data" not in Path(outputs.quality).read_text("utf-8")
    drawn = run(COHORT, "", 1, outputs_in(tmp_path / "drawn"), settings(), Report("ingest"))
    assert from_file.train.to_pydict() == drawn.train.to_pydict()


@pytest.mark.parametrize(
    ("uri", "sha256", "batch", "changes", "trouble"),
    [
        (COHORT, "", 0, {"min_free_mb": 10**9}, "HEALTH_PREDICT_MIN_FREE_MB"),
        (COHORT, "", 6, {}, "batch 6 is out of range"),
        ("synthetic:rows=50", "", 0, {}, "too few"),
        ("synthetic:rows=-3", "", 0, {}, "at least 1"),
        ("nowhere.csv", "", 0, {}, "no such file"),
    ],
)
def test_what_cannot_be_ingested_is_an_input_error_and_writes_nothing(
    tmp_path: Path,
    settings: Callable[..., Settings],
    uri: str,
    sha256: str,
    batch: int,
    changes: dict[str, int],
    trouble: str,
) -> None:
    outputs = outputs_in(tmp_path / "out")
    with pytest.raises(InputError, match=trouble):
        run(uri, sha256, batch, outputs, settings(**changes), Report("ingest"))
    assert list((tmp_path / "out").iterdir()) == []
