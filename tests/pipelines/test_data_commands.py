"""``health-predict data check | split | upload | synth | example`` as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from builders import tiny_bundle

from components.ingest.split import PROCESSED_TABLES
from components.ingest.synthetic import synthesise

ROWS = 3000
PLAIN = pa_csv.WriteOptions(quoting_style="none")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "encounters.csv"
    pa_csv.write_csv(synthesise(ROWS, seed=6), path, write_options=PLAIN)
    return path


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    cli = str(Path(sys.executable).with_name("health-predict"))
    state = ["--state", str(folder / "state")] if arguments[0] not in ("synth", "example") else []
    command = [cli, "data", *arguments, *state]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    done = call(folder, *arguments, "--output", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_check_counts_what_a_file_holds_and_writes_the_report(tmp_path: Path, file: Path) -> None:
    page, aside = tmp_path / "quality.html", tmp_path / "aside.parquet"
    options = ("-o", str(page), "--quarantine", str(aside))
    found = answer(tmp_path, "check", str(file), *options)
    assert found["rows"] == ROWS
    assert found["set_aside"] == 0
    assert found["removed"] > 0
    assert found["missing"]["weight"] > ROWS / 2
    assert "Data quality" in page.read_text("utf-8")
    assert pq.read_table(aside).num_rows == 0


def test_check_refuses_what_a_run_would_refuse(tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace("[70-80)", "seventy", 2), "utf-8")
    page = tmp_path / "quality.html"
    done = call(tmp_path, "check", str(file), "-o", str(page))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {file}: column 'age': 2 values refused, first in row ")
    assert not page.exists()


def test_check_says_when_the_report_has_no_folder(tmp_path: Path, file: Path) -> None:
    done = call(tmp_path, "check", str(file), "-o", str(tmp_path / "none" / "quality.html"))
    assert done.returncode == 2
    assert "does not exist" in done.stderr


def test_split_writes_the_tables_below_processed_data(tmp_path: Path, file: Path) -> None:
    found = answer(tmp_path, "split", str(file), "--to", str(tmp_path / "prefix"))
    folder = tmp_path / "prefix" / "processed_data"
    names = {f"{name}.parquet" for name in (*PROCESSED_TABLES, "quarantine")}
    assert {path.name for path in folder.iterdir()} == names
    rows = {path.stem: pq.read_metadata(path).num_rows for path in folder.iterdir()}
    assert {Path(uri).stem: count for uri, count in found["tables"].items()} == rows
    batches = sum(rows[f"batch-{number}"] for number in range(1, 6))
    assert rows["reference"] + batches == ROWS - found["removed"]


def test_upload_puts_the_file_into_a_bucket_and_says_how_to_run_on_it(
    tmp_path: Path, file: Path, bucket: str, s3_client: Any
) -> None:
    done = call(tmp_path, "upload", str(file), "--to", f"s3://{bucket}/diabetes")
    assert done.returncode == 0, done.stderr
    uri = f"s3://{bucket}/diabetes/raw_data/encounters.csv"
    assert f"health-predict run --data {uri} --sha256 " in done.stdout
    body = s3_client.get_object(Bucket=bucket, Key="diabetes/raw_data/encounters.csv")["Body"]
    with body:
        assert body.read() == file.read_bytes()
    assert answer(tmp_path, "check", uri)["rows"] == ROWS


def test_upload_of_a_bad_file_uploads_nothing(tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace("Female", "female", 1), "utf-8")
    done = call(tmp_path, "upload", str(file), "--to", str(tmp_path / "prefix"))
    assert done.returncode == 2
    assert not (tmp_path / "prefix").exists()


def test_upload_takes_a_local_file_only(tmp_path: Path) -> None:
    done = call(tmp_path, "upload", "https://127.0.0.1/x.csv", "--to", str(tmp_path / "prefix"))
    assert done.returncode == 2
    assert "no such file; upload takes one local file" in done.stderr


def test_synth_draws_the_same_file_again_and_says_what_it_is(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.csv", "two.csv")]
    for file in files:
        options = ("--rows", "2000", "--seed", "7", "--drift", "strong", "-o", str(file))
        done = call(tmp_path, "synth", *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{file}: 2,000 synthetic encounters, drift strong, ")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert answer(tmp_path, "check", str(files[0]))["rows"] == 2000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rows", "0", "-o", "x.csv"), "ask for at least 1"),
        (("--rows", "9", "-o", "x.doc"), "ends in .csv"),
        (("--rows", "9", "-o", "none/x.csv"), "does not exist"),
    ],
)
def test_synth_refuses_in_one_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = call(tmp_path, "synth", *options)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line


def test_an_example_is_a_request_that_a_model_answers(tmp_path: Path) -> None:
    done = call(tmp_path, "example", "--rows", "2", "--seed", "3")
    assert done.returncode == 0, done.stderr
    request = json.loads(done.stdout)
    bundle = tiny_bundle(tmp_path / "bundle")
    assert bundle.score_rows(request["instances"]).shape == (2,)
    assert {"encounter_id", "patient_nbr", "readmitted"} & request["instances"][0].keys() == set()
    assert call(tmp_path, "example", "--rows", "2", "--seed", "3").stdout == done.stdout
