"""Write a synthetic cohort in the forms in which encounters come."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components.errors import InputError

MEMBER = "diabetic_data.csv"
"""The table's name in the published archive."""

_PLAIN = pa_csv.WriteOptions(quoting_style="none", quoting_header="none")


def write_cohort(table: pa.Table, path: Path) -> None:
    """Write a table under a temporary name, then rename; the suffix tells the kind of file.

    Raises:
        InputError: the suffix is none of .csv, .csv.gz, .zip, .parquet, or there is no such folder.
    """
    write = _writer(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            write(table, file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_kind(path: Path) -> None:
    """Check that a file's suffix tells a kind that :func:`write_cohort` knows.

    Raises:
        InputError: it does not.
    """
    _writer(path)


def _writer(path: Path) -> Callable[[pa.Table, IO[bytes]], None]:
    for suffix, write in _WRITERS.items():
        if path.name.endswith(suffix) and path.name != suffix:
            return write
    raise InputError(f"{path}: name a file that ends in {', '.join(_WRITERS)}")


def _write_csv(table: pa.Table, file: IO[bytes]) -> None:
    pa_csv.write_csv(table, file, write_options=_PLAIN)


def _write_gzip(table: pa.Table, file: IO[bytes]) -> None:
    with gzip.open(file, "wb", compresslevel=1) as packed:
        pa_csv.write_csv(table, packed, write_options=_PLAIN)


def _write_zip(table: pa.Table, file: IO[bytes]) -> None:
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(MEMBER, "w", force_zip64=True) as member,
    ):
        pa_csv.write_csv(table, member, write_options=_PLAIN)


def _write_parquet(table: pa.Table, file: IO[bytes]) -> None:
    pq.write_table(table, file)


_WRITERS = {
    ".csv": _write_csv,
    ".csv.gz": _write_gzip,
    ".zip": _write_zip,
    ".parquet": _write_parquet,
}
