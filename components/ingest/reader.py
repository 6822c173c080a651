"""Read CSV, zipped CSV, gzipped CSV or parquet as Arrow record batches of text columns.

Text is dictionary-encoded as it is parsed: what follows looks at each distinct value of a batch
once, not at every cell.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components.errors import InputError
from components.schema import MISSING, Column, Kind, Schema

BLOCK_BYTES = 8 << 20
"""Bytes of CSV parsed at a time; no line may be longer."""

_ROWS = 1 << 16
_RAGGED = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,  # zipfile's word for an encrypted member
    pa.ArrowException,
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_UTF8 = "holds text that is not UTF-8"


def read_batches(path: Path, schema: Schema) -> Iterator[pa.RecordBatch]:
    """Yield the file's rows as batches of text columns, in the schema's order.

    Identifiers are plain strings, all other columns dictionary-encoded. The kind of file is told
    by its first bytes, not by its name.

    Raises:
        InputError: the file is empty, truncated, not of a known kind, or its columns are not
            those of the schema.
    """
    magic = _magic(path)
    if not magic:
        raise InputError(f"{path}: is empty")
    if magic[:2] in _UTF16:
        raise InputError(f"{path}: {_NOT_UTF8}")
    try:
        if magic == b"PAR1":
            yield from _parquet_batches(path, schema)
        else:
            with _text(path, magic) as stream:
                yield from _csv_batches(stream, path, schema)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {_NOT_UTF8}") from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk's error and not the file's
        reason = str(error).partition("\n")[0].partition(" and header ")[0]
        raise InputError(f"{path}: is truncated, damaged or unreadable: {reason}") from error


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


@contextmanager
def _text(path: Path, magic: bytes) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if magic[:2] == b"\x1f\x8b":
        with gzip.open(path, "rb") as stream:
            yield stream
    elif magic[:2] == b"PK":
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, path)) as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    tables = [name for name in archive.namelist() if _is_table(PurePosixPath(name))]
    named = [name for name in tables if PurePosixPath(name).name == "diabetic_data.csv"]
    if len(tables) == 1 or len(named) == 1:
        return (named or tables)[0]
    raise InputError(f"{path}: holds {len(tables)} CSV files, none of them diabetic_data.csv")


def _is_table(name: PurePosixPath) -> bool:
    """Whether a member is a CSV file and not the shadow that macOS adds to each file."""
    return name.suffix.lower() == ".csv" and not name.name.startswith(".")


def _csv_batches(
    stream: IO[bytes] | gzip.GzipFile, path: Path, schema: Schema
) -> Iterator[pa.RecordBatch]:
    reader = pa_csv.open_csv(
        stream,
        # Only a single thread knows the number of the line that it refuses.
        read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={column.name: text_type(column) for column in schema},
            strings_can_be_null=False,
        ),
    )
    check_columns(reader.schema.names, path, schema)
    for batch in reader:
        yield batch.select(schema.names)


def _parquet_batches(path: Path, schema: Schema) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(path)
    check_columns(file.schema_arrow.names, path, schema)
    for batch in file.iter_batches(batch_size=_ROWS, columns=list(schema.names)):
        columns = [pc.fill_null(batch[name].cast(pa.string()), MISSING) for name in schema.names]
        text = pa.record_batch(columns, names=schema.names)
        text.validate(full=True)  # parquet's own reader lets text pass that is not UTF-8
        yield encoded(text, schema)


def text_type(column: Column) -> pa.DataType:
    """Return the type in which a column is read."""
    if column.kind is Kind.IDENTIFIER:
        return pa.string()
    return pa.dictionary(pa.int32(), pa.string())


def encoded(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """Give a batch of any types the form of a file's: text, dictionary-encoded."""
    columns = [batch[c.name].cast(pa.string()).cast(text_type(c)) for c in schema]
    return pa.record_batch(columns, names=schema.names)


def check_columns(names: Sequence[str], path: Path, schema: Schema) -> None:
    """Check that a file's header holds each of the schema's columns once and no other.

    Raises:
        InputError: names the missing, unknown and repeated columns.
    """
    wrong = {
        "missing": [name for name in schema.names if name not in names],
        "unknown": [name for name in dict.fromkeys(names) if name not in schema.names],
        "repeated": sorted(name for name, count in Counter(names).items() if count > 1),
    }
    parts = [f"{what} {_listed(found)}" for what, found in wrong.items() if found]
    if parts:
        raise InputError(
            f"{path}: columns are not the schema's {len(schema.names)}: " + "; ".join(parts)
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _reason(error: pa.ArrowInvalid) -> str:
    """Say what Arrow found wrong, without the row's content that its message quotes."""
    if ragged := _RAGGED.search(str(error)):
        row, expected, got = ragged.groups()
        where = f"line {row}" if row else "a line"
        return f"{where} has {got} fields instead of {expected}; the file is damaged or truncated"
    if "utf8" in str(error).lower():
        return _NOT_UTF8
    if "straddling" in str(error):
        return f"a line is longer than {BLOCK_BYTES >> 20} MiB; the file is damaged or no such CSV"
    if "Empty CSV" in str(error):
        return "holds no header"
    return "cannot be read: " + str(error).splitlines()[0].partition(":")[0]
