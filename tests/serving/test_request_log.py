"""The sample of encounters and risks that a server keeps."""

from __future__ import annotations

import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from builders import random_rows, tiny_bundle
from serving_process import INFER, PREDICT, START_SECONDS, inputs, process, serving

from components.deployment.local.ports import free_port

ROWS = 60


def parts(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("*.parquet"))])


def test_encounters_and_risks_are_kept_without_identifiers(tmp_path: Path) -> None:
    rows = random_rows(ROWS, seed=60)
    rows[0] = {**rows[0], "payer_code": "ZZ"}
    sent = [{**row, "encounter_id": 987654321, "patient_nbr": 123456} for row in rows]
    kept = tmp_path / "kept"
    with serving(tmp_path, "--log-dir", str(kept), "--log-share", "1") as (served, server):
        served.post(PREDICT, {"instances": sent[:1]})
        answers = served.post(PREDICT, {"instances": sent[1:50]}).json()["predictions"]
        served.post(INFER, {"inputs": inputs(rows[50:])})
        served.post(PREDICT, {"instances": [{"age": "bad"}]})
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    table = parts(kept)
    names = [column.name for column in served.bundle.schema.features]
    assert table.select(names).to_pylist() == rows
    assert {*table.column_names} - {*names} == {
        "probability", "predicted_readmitted", "time", "model_version", "bundle",
    }  # fmt: skip
    assert table["probability"].to_pylist()[1:50] == [each["probability"] for each in answers]
    assert table["predicted_readmitted"].to_pylist()[1:50] == [
        each["readmitted"] for each in answers
    ]
    assert {*table["bundle"].to_pylist()} == {served.bundle.digest}
    assert [path.suffix for path in kept.iterdir()] == [".parquet"]


def test_a_share_of_the_encounters_is_drawn(tmp_path: Path) -> None:
    kept, rows = tmp_path / "kept", random_rows(1, seed=61)
    with serving(tmp_path, "--log-dir", str(kept), "--log-share", "0.5") as (served, server):
        for _ in range(6):
            served.post(PREDICT, {"instances": rows * 500})
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert 1300 < parts(kept).num_rows < 1700
    assert len([*kept.iterdir()]) > 1


def test_nothing_is_kept_unless_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as (served, server):
        served.post(PREDICT, {"instances": random_rows(1, seed=62)})
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert [*tmp_path.rglob("*.parquet")] == []


def test_a_folder_that_cannot_be_written_to_ends_the_server_with_2(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    (tmp_path / "file").write_text("")
    log = tmp_path / "log"
    options = ("--log-dir", str(tmp_path / "file"))
    with process(tmp_path / "bundle", free_port(), log, *options) as server:
        assert server.wait(START_SECONDS) == 2
    (line,) = log.read_text().splitlines()
    assert f"--log-dir {tmp_path / 'file'}: " in line


def test_a_part_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with serving(tmp_path, "--log-dir", str(kept), "--log-share", "1") as (served, server):
        kept.rmdir()
        answer = served.post(PREDICT, {"instances": random_rows(1, seed=63) * 1500})
        assert answer.is_success
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert "the request log lost 1500 rows" in served.log.read_text()
