from __future__ import annotations

import csv
import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import LABELS, checked, random_rows, rows_table
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.ingest.reader import read_batches
from components.schema import Kind, encounter_schema

MEMBER = "dataset_diabetes/diabetic_data.csv"
LONGEST_MESSAGE = 1200
EDITS = st.lists(
    st.tuples(st.sampled_from(["flip", "delete", "insert"]), st.integers(0), st.integers(0, 255)),
    min_size=1,
    max_size=6,
)


@cache
def encounters() -> pa.Table:
    return rows_table(random_rows(40, seed=3), (LABELS * 14)[:40])


def csv_bytes(table: pa.Table, newline: str = "\n") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return text.getvalue().encode()


def zip_bytes(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def parquet_bytes(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


def as_text(table: pa.Table) -> pa.Table:
    names = table.column_names
    return pa.table({name: table[name].cast(pa.string()) for name in names})


def with_nulls(table: pa.Table) -> pa.Table:
    columns = {}
    for name in table.column_names:
        values = [None if value == "?" else value for value in table[name].to_pylist()]
        columns[name] = pa.array(values, table[name].type)
    return pa.table(columns)


def read(path: Path) -> pa.Table:
    return pa.Table.from_batches(list(read_batches(path, encounter_schema())))


def loaded(path: Path) -> pa.Table:
    """Read and check, as ingest does; nothing may be set aside."""
    return checked(read_batches(path, encounter_schema()), str(path), most_aside=0.0)[0]


def complaint(path: Path) -> str:
    """Return why a file is refused; empty for a good one."""
    try:
        loaded(path)
    except InputError as error:
        return str(error)
    return ""


def refusal(path: Path) -> str:
    message = complaint(path)
    assert_discreet(message, path)
    return message


def assert_discreet(message: str, path: Path) -> None:
    """Hold a message to one line that names the file, quotes values, and never quotes a row."""
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < LONGEST_MESSAGE
    for row in csv_bytes(encounters()).decode().splitlines()[1:]:
        assert row[:80] not in message


SAME: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": csv_bytes,
    "csv with CRLF": lambda table: csv_bytes(table, "\r\n"),
    "csv with a byte order mark": lambda table: b"\xef\xbb\xbf" + csv_bytes(table),
    "csv without a last newline": lambda table: csv_bytes(table).rstrip(),
    "csv in another column order": lambda table: csv_bytes(
        table.select(sorted(table.column_names, reverse=True))
    ),
    "gzip": lambda table: gzip.compress(csv_bytes(table)),
    "zip": lambda table: zip_bytes({MEMBER: csv_bytes(table)}),
    "zip with another table": lambda table: zip_bytes(
        {"dataset_diabetes/IDs_mapping.csv": b"a,b\n", MEMBER: csv_bytes(table)}
    ),
    "csv of quoted fields": lambda table: b"\n".join(
        b",".join(b'"%s"' % cell for cell in line.split(b","))
        for line in csv_bytes(table).splitlines()
    ),
    "zip of macOS": lambda table: zip_bytes(
        {
            "__MACOSX/": b"",
            "__MACOSX/._mine.csv": b"\x00\x05\x16\x07",
            "Mine.CSV": csv_bytes(table),
        }
    ),
    "parquet of integers and text": parquet_bytes,
    "parquet of text": lambda table: parquet_bytes(as_text(table)),
    "parquet of nulls": lambda table: parquet_bytes(with_nulls(table)),
    "parquet of dictionaries": lambda table: parquet_bytes(
        pa.table([column.dictionary_encode() for column in table.columns], table.column_names)
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_rows_give_the_same_table_from_every_kind_of_file(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "encounters"
    path.write_bytes(SAME[kind](encounters()))
    assert read(path).to_pydict() == as_text(encounters()).to_pydict()


def test_text_is_dictionary_encoded_but_for_the_identifiers(tmp_path: Path) -> None:
    for kind in ("csv", "parquet of text"):
        path = tmp_path / "encounters"
        path.write_bytes(SAME[kind](encounters()))
        for column in encounter_schema():
            found = read(path)[column.name].type
            assert pa.types.is_string(found) == (column.kind is Kind.IDENTIFIER)


def test_a_comma_in_quotes_does_not_end_a_field(tmp_path: Path) -> None:
    path = tmp_path / "encounters.csv"
    quoted = csv_bytes(encounters()).splitlines(keepends=True)
    cells = quoted[1].split(b",")
    cells[11] = b'"Surgery, general"'
    path.write_bytes(b"".join([quoted[0], b",".join(cells), *quoted[2:]]))
    assert read(path)["medical_specialty"][0].as_py() == "Surgery, general"


def test_the_kind_of_file_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "encounters.csv"
    path.write_bytes(parquet_bytes(encounters()))
    assert read(path).num_rows == 40


def test_a_file_of_many_blocks_is_read_whole(tmp_path: Path) -> None:
    rows = 60_000
    lines = csv_bytes(encounters()).splitlines(keepends=True)
    path = tmp_path / "large.csv"
    path.write_bytes(lines[0] + b"".join(lines[1:]) * (rows // 40))
    batches = list(read_batches(path, encounter_schema()))
    assert len(batches) > 1
    assert sum(batch.num_rows for batch in batches) == rows


def test_a_ragged_row_is_named_by_its_line_however_late_it_stands(tmp_path: Path) -> None:
    lines = csv_bytes(encounters()).splitlines(keepends=True)
    many = lines[1:] * 1500
    many[-3] = many[-3].rpartition(b",")[0] + b"\n"
    path = tmp_path / "large.csv"
    path.write_bytes(lines[0] + b"".join(many))
    assert f"line {len(many) - 1} has 49 fields instead of 50" in refusal(path)


def test_a_line_longer_than_a_block_is_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(csv_bytes(encounters()).replace(b"Caucasian", b"x" * 40_000_000, 1))
    assert "a line is longer than 8 MiB" in refusal(path)


def test_a_field_of_ten_megabytes_is_refused_and_not_quoted_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(csv_bytes(encounters()).replace(b"Caucasian", b"x" * 10_000_000, 1))
    assert "column 'race': 1 values refused" in refusal(path)


def edited(change: Callable[[list[list[str]]], None]) -> bytes:
    """Return a CSV file after a change of its cells; the first row is the header."""
    rows = [line.split(",") for line in csv_bytes(encounters()).decode().splitlines()]
    change(rows)
    return "".join(",".join(row) + "\n" for row in rows).encode()


def drop_a_column(rows: list[list[str]]) -> None:
    for row in rows:
        del row[4]


def add_a_column(rows: list[list[str]]) -> None:
    for row in rows:
        row.append("ward")


def repeat_a_column(rows: list[list[str]]) -> None:
    for row in rows:
        row.append(row[4])


def rename_a_column(rows: list[list[str]]) -> None:
    rows[0][4] = "Age"


def shorten_a_row(rows: list[list[str]]) -> None:
    del rows[7][-1]


def swap_two_headers(rows: list[list[str]]) -> None:
    rows[0][4], rows[0][5] = rows[0][5], rows[0][4]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def encrypted(content: bytes) -> bytes:
    """Set the flag of encryption in the archive's two headers of its one member."""
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + flags
        content = content[:at] + bytes([content[at] | 1]) + content[at + 1 :]
    return content


BAD: dict[str, tuple[Callable[[], bytes], Sequence[str]]] = {
    "empty": (lambda: b"", ["is empty"]),
    "a header only": (lambda: csv_bytes(encounters().slice(0, 0)), ["a header and no rows"]),
    "blank lines": (lambda: b"\n\n\n", ["holds no header"]),
    "a missing column": (lambda: edited(drop_a_column), ["missing 'age'"]),
    "an unknown column": (lambda: edited(add_a_column), ["unknown 'ward'"]),
    "a repeated column": (lambda: edited(repeat_a_column), ["repeated 'age'"]),
    "a renamed column": (lambda: edited(rename_a_column), ["missing 'age'; unknown 'Age'"]),
    "two headers swapped": (
        lambda: edited(swap_two_headers),
        ["column 'age': 40 values refused, first in row 1: "],
    ),
    "a ragged row": (lambda: edited(shorten_a_row), ["line 8 has 49 fields instead of 50"]),
    "a truncated zip": (lambda: half(SAME["zip"](encounters())), ["truncated", "zip"]),
    "a truncated gzip": (lambda: half(SAME["gzip"](encounters())), ["truncated"]),
    "a truncated parquet": (lambda: half(parquet_bytes(encounters())), ["Parquet magic bytes"]),
    "a parquet with a damaged footer": (
        lambda: parquet_bytes(encounters())[:-60] + bytes(52) + b"\x34\x00\x00\x00PAR1",
        ["damaged"],
    ),
    "a gzip with a wrong checksum": (
        lambda: gzip.compress(csv_bytes(encounters()))[:-8] + bytes(8),
        ["damaged", "CRC"],
    ),
    "cells that are not UTF-8": (
        lambda: csv_bytes(encounters()).replace(b"Caucasian", b"Cauc\xe1sian"),
        ["not UTF-8"],
    ),
    "a header that is not UTF-8": (
        lambda: csv_bytes(encounters()).replace(b"gender", b"g\xe9nder"),
        ["not UTF-8"],
    ),
    "UTF-16": (
        lambda: csv_bytes(encounters()).decode().encode("utf-16"),
        ["not UTF-8"],
    ),
    "rubbish": (lambda: bytes(range(256)) * 20, []),
    "zeros": (lambda: bytes(5000), ["holds no header"]),
    "a zip without CSV": (lambda: zip_bytes({"readme.txt": b"x"}), ["holds 0 CSV files"]),
    "a zip of nothing": (lambda: zip_bytes({}), ["holds 0 CSV files"]),
    "a zip of two tables": (
        lambda: zip_bytes({"a.csv": b"x\n", "b.csv": b"x\n"}),
        ["holds 2 CSV files, none of them diabetic_data.csv"],
    ),
    "an encrypted zip": (lambda: encrypted(SAME["zip"](encounters())), ["encrypted"]),
    "parquet of other columns": (
        lambda: parquet_bytes(pa.table({"a": [1]})),
        ["missing 'encounter_id'", "and 45 more", "unknown 'a'"],
    ),
    "parquet of nested columns": (
        lambda: parquet_bytes(
            encounters().set_column(4, "age", pa.array([{"from": 0, "to": 10}] * 40))
        ),
        [],
    ),
    "parquet without rows": (
        lambda: parquet_bytes(encounters().slice(0, 0)),
        ["a header and no rows"],
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_by_name_with_its_trouble(tmp_path: Path, kind: str) -> None:
    make, troubles = BAD[kind]
    path = tmp_path / "encounters.csv"
    path.write_bytes(make())
    message = refusal(path)
    assert [trouble for trouble in troubles if trouble not in message] == [], message


def test_a_long_list_of_unknown_columns_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"column_{i}" * 30 for i in range(20_000)) + "\n")
    assert "and 19995 more" in refusal(path)


def test_a_row_that_stands_in_the_headers_place_is_not_quoted_whole(tmp_path: Path) -> None:
    path = tmp_path / "headless.csv"
    path.write_bytes(b"".join(csv_bytes(encounters()).splitlines(keepends=True)[1:]))
    assert "missing 'encounter_id'" in refusal(path)


def damaged(content: bytes, edits: Sequence[tuple[str, int, int]]) -> bytes:
    changed = bytearray(content)
    for how, place, byte in edits:
        at = place % len(changed)
        if how == "flip":
            changed[at] ^= byte
        elif how == "delete":
            del changed[at]
        else:
            changed.insert(at, byte)
    return bytes(changed)


@pytest.mark.parametrize("kind", ["csv", "zip", "gzip", "parquet of text"])
@given(edits=EDITS, cut=st.none() | st.integers(0))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(
    kind: str, edits: list[tuple[str, int, int]], cut: int | None
) -> None:
    content = damaged(SAME[kind](encounters().slice(0, 3)), edits)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged"
        path.write_bytes(content if cut is None else content[: cut % len(content)])
        if message := complaint(path):
            assert_discreet(message, path)
        else:
            assert loaded(path).num_rows > 0
