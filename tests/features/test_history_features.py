from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.events import Report
from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.features.fit import fit_encoder
from components.features.step import FACTS, run
from components.features.target import Target
from components.ingest.history import History
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, write_table
from components.schema import HISTORY, encounter_schema

ROWS = 3000
EVERY = set(HISTORY)
PROVENANCE = Provenance("synthetic:rows=3000", "0" * 64, ROWS, synthetic=True, batch=0)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return History().join(synthesise(ROWS, seed=2).sort_by("encounter_id"))


def encoder_of(table: pa.Table, *, history: bool) -> Encoder:
    schema = encounter_schema(history=history)
    return fit_encoder(table, Target.ANY.labels(table), schema).encoder


def test_history_is_left_out_unless_it_is_asked_for(table: pa.Table) -> None:
    assert not EVERY & encoder_of(table, history=False).sources
    assert encoder_of(table, history=True).sources > EVERY


def test_rows_with_a_history_are_encoded_alike_one_by_one_and_in_a_batch(table: pa.Table) -> None:
    encoder = encoder_of(table, history=True)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    matrix = encode_table(encoder, table)
    assert (again.encode_rows(table.slice(0, 500).to_pylist()) == matrix[:500]).all()
    interval = encoder.outputs.index("log2(history_interval)")
    for days, value in zip(table["history_interval"].to_pylist(), matrix[:, interval], strict=True):
        assert value == days.bit_length()
    assert len(np.unique(matrix[:, interval])) > 3


def test_the_step_says_whether_history_was_used(table: pa.Table, tmp_path: Path) -> None:
    for name in ("train", "validation"):
        write_table(table, str(tmp_path / name), PROVENANCE)
    for history in (False, True):
        out = tmp_path / str(history)
        sides = str(tmp_path / "train"), str(tmp_path / "validation")
        run(*sides, "any", 0.8, str(out), Report("features"), history=history)
        assert json.loads((out / FACTS).read_text("utf-8"))["history"] is history
        encoder = Encoder.from_json(json.loads((out / "encoder.json").read_text("utf-8")))
        assert (encoder.sources >= EVERY) is history
