"""Both passes over a file: what is checked and staged, then dealt out to tables."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import random_rows, rows_table, text_batches
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.ingest import partition as second_pass
from components.ingest.partition import partition
from components.ingest.profile import Profile
from components.ingest.split import (
    BATCHES,
    ENDED_IN_DEATH_OR_HOSPICE,
    RUN_TABLES,
    batch_cuts,
    run_tables,
)
from components.ingest.stage import Staged, stage
from components.ingest.tables import Provenance, provenance_of, read_table, table_writers
from components.ingest.validate import arrow_schema
from components.schema import encounter_schema

ROWS = 400
SOURCE = Provenance("encounters.csv", "0" * 64, ROWS, synthetic=False, batch=2, cuts=(1, 2))


@cache
def encounters() -> pa.Table:
    """Return encounters of patients who return, in no order of their identifiers."""
    rng = np.random.default_rng(3)
    table = rows_table(random_rows(ROWS, seed=8))
    ids = rng.permutation(ROWS * 3)[:ROWS] + 1
    table = table.set_column(0, "encounter_id", pa.array(ids))
    return table.set_column(1, "patient_nbr", pa.array(rng.integers(1, 200, ROWS)))


def staged(table: pa.Table, size: int, folder: Path, most_aside: float = 0.01) -> Staged:
    folder.mkdir(exist_ok=True)
    schema = encounter_schema()
    return stage(text_batches(table, size), schema, "encounters.csv", most_aside, folder)


def dealt_out(table: pa.Table, size: int, batch: int, folder: Path) -> dict[str, pa.Table]:
    found = staged(table, size, folder)
    cuts = batch_cuts(found.ids)
    paths = {name: str(folder / name) for name in RUN_TABLES}
    with table_writers(paths, arrow_schema(encounter_schema()), SOURCE) as writers:
        route = partial(run_tables, batch=batch)
        partition(found.rows, found.ids, cuts, route, writers, {})
    return {name: read_table(path) for name, path in paths.items()}


@given(st.integers(25, ROWS), st.integers(25, ROWS), st.integers(0, BATCHES), st.randoms())
@settings(max_examples=12, deadline=None)
def test_tables_are_the_same_whatever_the_order_of_the_file_and_its_pieces(
    size: int, piece: int, batch: int, draw: object
) -> None:
    order = list(range(ROWS))
    draw.shuffle(order)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        plain = dealt_out(encounters(), ROWS, batch, Path(folder) / "plain")
        patch.setattr(second_pass, "PIECE_ROWS", piece)
        shuffled = dealt_out(encounters().take(order), size, batch, Path(folder) / "shuffled")
    assert {n: t.to_pydict() for n, t in plain.items()} == {
        n: t.to_pydict() for n, t in shuffled.items()
    }
    for table in plain.values():
        assert (np.diff(table["encounter_id"].to_numpy()) > 0).all()


def test_every_usable_encounter_is_dealt_out_and_those_that_ended_are_counted(
    tmp_path: Path,
) -> None:
    found = staged(encounters(), 70, tmp_path)
    wanted = [
        row["encounter_id"]
        for row in encounters().to_pylist()
        if row["discharge_disposition_id"] not in ENDED_IN_DEATH_OR_HOSPICE
    ]
    assert found.ids.tolist() == sorted(wanted)
    assert found.removed == ROWS - len(wanted) > 0
    assert found.findings.rows == ROWS


def test_rows_set_aside_lie_in_a_file_of_their_own_and_in_no_table(tmp_path: Path) -> None:
    table = encounters()
    gender = table["gender"].to_pylist()
    gender[6] = gender[250] = "Unknown/Invalid"
    found = staged(table.set_column(3, "gender", pa.array(gender)), 64, tmp_path)
    aside = pq.read_table(found.aside)
    assert aside.select(["row", "rules"]).to_pylist() == [
        {"row": 7, "rules": "gender is known"},
        {"row": 251, "rules": "gender is known"},
    ]
    assert not set(aside["encounter_id"].to_pylist()) & set(map(str, found.ids))
    assert found.findings.set_aside == 2


@pytest.mark.parametrize("size", [7, ROWS])
def test_an_encounter_that_stands_twice_refuses_the_file(tmp_path: Path, size: int) -> None:
    ids = encounters()["encounter_id"].to_pylist()
    ids[399], ids[200] = ids[3], ids[4]
    table = encounters().set_column(0, "encounter_id", pa.array(ids))
    with pytest.raises(InputError) as refused:
        staged(table, size, tmp_path)
    first, second = sorted(ids[3:5])
    assert str(refused.value) == (
        f"encounters.csv: column 'encounter_id': 2 values stand twice: {first}, {second}"
    )


def test_a_row_set_aside_still_stands_for_its_identifier(tmp_path: Path) -> None:
    ids, gender = encounters()["encounter_id"].to_pylist(), ["Male"] * ROWS
    ids[9], gender[9] = ids[20], "Unknown/Invalid"
    table = encounters().set_column(0, "encounter_id", pa.array(ids))
    with pytest.raises(InputError, match="1 values stand twice"):
        staged(table.set_column(3, "gender", pa.array(gender)), ROWS, tmp_path)


def test_a_bad_row_in_the_last_piece_is_named_by_its_number(tmp_path: Path) -> None:
    ages = encounters()["age"].to_pylist()
    ages[397] = "old"
    table = encounters().set_column(4, "age", pa.array(ages))
    with pytest.raises(InputError, match="column 'age': 1 values refused, first in row 398: 'old'"):
        staged(table, 17, tmp_path)


def names_in(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_table_has_its_name_only_when_all_are_whole(tmp_path: Path) -> None:
    paths = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    schema = arrow_schema(encounter_schema())
    good = staged(encounters(), ROWS, tmp_path / "staged")
    with table_writers(paths, schema, SOURCE) as writers:
        writers["a"].write(read_table(str(good.rows)))
        assert names_in(tmp_path) == ["a.part", "b.part", "staged"]
    assert names_in(tmp_path) == ["a", "b", "staged"]
    assert (read_table(paths["a"]).num_rows, read_table(paths["b"]).num_rows) == (
        good.ids.size, 0,
    )  # fmt: skip
    assert provenance_of(read_table(paths["b"])) == SOURCE


def test_a_failure_leaves_no_table_and_no_piece_of_one(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(tmp_path)
    assert names_in(tmp_path) == []


def _write_and_fail(folder: Path) -> None:
    with table_writers({"a": str(folder / "a")}, arrow_schema(encounter_schema())):
        assert names_in(folder) == ["a.part"]
        raise ZeroDivisionError


def test_a_profile_counts_the_same_in_any_pieces() -> None:
    whole, pieces = Profile(encounter_schema()), Profile(encounter_schema())
    whole.add(encounters())
    for start in range(0, ROWS, 33):
        pieces.add(encounters().slice(start, 33))
    assert whole.counts == pieces.counts
    ages = encounters()["age"].to_pylist()
    assert pieces.share("age", "[50-60)") == ages.count("[50-60)") / ROWS
    assert pieces.share("age", "no such") == 0
