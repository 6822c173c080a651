"""The keys of a data set, in a folder and in a bucket of a real S3 server."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from s3fs import S3FileSystem  # type: ignore[import-untyped]

from components.deployment.local.ports import free_port
from components.errors import InputError
from components.ingest.layout import DataPrefix
from components.ingest.source import fetch
from components.ingest.uri import UnreachableError

CONTENT = bytes(range(256)) * 100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my data.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["path", "file", "s3"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> DataPrefix:
    folder = tmp_path / "data sets"
    if request.param == "s3":
        return DataPrefix(f"s3://{request.getfixturevalue('bucket')}/some/where/")
    return DataPrefix(str(folder) if request.param == "path" else folder.as_uri())


def one_line(error: InputError, uri: str) -> str:
    assert uri in str(error)
    assert len(str(error).splitlines()) == 1
    return str(error)


def unreachable(prefix: DataPrefix, file: Path) -> str:
    uri = prefix.raw("data.csv")
    with pytest.raises(UnreachableError) as put:
        prefix.put(file, uri)
    with pytest.raises(UnreachableError) as asked:
        prefix.exists(uri)
    one_line(asked.value, uri)
    return one_line(put.value, uri)


def test_the_keys_of_a_bucket() -> None:
    prefix = DataPrefix("s3://bucket/prefix/")
    assert prefix.raw("data.csv") == "s3://bucket/prefix/raw_data/data.csv"
    assert prefix.processed("batch-1") == "s3://bucket/prefix/processed_data/batch-1.parquet"
    assert prefix.drift_report(2) == "s3://bucket/prefix/drift/reports/batch-2.html"
    assert prefix.drift_report("summary") == "s3://bucket/prefix/drift/reports/summary.html"
    assert prefix.drift_report("all.json") == "s3://bucket/prefix/drift/reports/all.json"
    assert DataPrefix("s3://bucket").raw("data.csv") == "s3://bucket/raw_data/data.csv"


def test_a_path_gives_the_uris_of_its_files(tmp_path: Path) -> None:
    uri = DataPrefix(str(tmp_path / "my data")).processed("train")
    assert uri == (tmp_path / "my data/processed_data/train.parquet").as_uri()


def test_a_relative_path_is_one_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = (tmp_path / "data/raw_data/a.csv").as_uri()
    assert DataPrefix("./data").raw("a.csv") == wanted
    (tmp_path / "data").mkdir()
    assert DataPrefix("data").raw("a.csv") == wanted


def test_what_was_put_is_there_and_can_be_fetched(
    prefix: DataPrefix, file: Path, tmp_path: Path
) -> None:
    uri = prefix.raw(file.name)
    assert not prefix.exists(uri)
    prefix.put(file, uri)
    assert prefix.exists(uri)
    assert not prefix.exists(prefix.raw("other.csv"))
    assert fetch(uri, tmp_path / "cache").paths[0].read_bytes() == CONTENT


def test_a_second_put_takes_the_place_of_the_first(
    prefix: DataPrefix, file: Path, tmp_path: Path
) -> None:
    uri = prefix.processed("train")
    prefix.put(file, uri)
    file.write_bytes(CONTENT[:-1])
    prefix.put(file, uri)
    assert fetch(uri, tmp_path / "cache").paths[0].read_bytes() == CONTENT[:-1]


def test_a_file_larger_than_one_part_is_put_whole(
    bucket: str, s3_client: Any, tmp_path: Path
) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(101 << 20)  # s3fs sends what is larger than two parts of 50 MiB in parts
    prefix = DataPrefix(f"s3://{bucket}")
    prefix.put(tmp_path / "large", prefix.raw("large"))
    assert s3_client.head_object(Bucket=bucket, Key="raw_data/large")["ContentLength"] == 101 << 20


def test_a_local_copy_that_fails_leaves_what_was_there(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    prefix = DataPrefix(str(tmp_path / "data"))
    prefix.put(file, prefix.raw("a.csv"))
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        prefix.put(file, prefix.raw("a.csv"))
    assert [p.name for p in (tmp_path / "data/raw_data").iterdir()] == ["a.csv"]
    assert (tmp_path / "data/raw_data/a.csv").read_bytes() == CONTENT


def test_a_local_file_that_is_missing_is_refused(prefix: DataPrefix, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        prefix.put(tmp_path / "nowhere.csv", prefix.raw("a.csv"))


@pytest.mark.parametrize("uri", ["my-bucket/data", "bucket", ""])
def test_neither_a_path_nor_a_uri_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="neither a path nor a URI") as refused:
        DataPrefix(uri)
    one_line(refused.value, uri)


@pytest.mark.parametrize("uri", ["https://example.org/data", "gs://bucket/data", "s3:///data"])
def test_what_cannot_be_written_to_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="s3://bucket/prefix") as refused:
        DataPrefix(uri)
    one_line(refused.value, uri)


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_name_is_one_name(name: str) -> None:
    for key in (DataPrefix("/data").raw, DataPrefix("/data").drift_report):
        with pytest.raises(InputError, match="no plain file name"):
            key(name)


@pytest.mark.usefixtures("s3_client")
def test_a_bucket_that_does_not_exist_is_one_line(file: Path) -> None:
    assert "bucket does not exist" in unreachable(DataPrefix("s3://no-such-bucket/data"), file)


@pytest.mark.usefixtures("s3_client")
def test_a_server_that_is_down_is_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert f"127.0.0.1:{port}" in unreachable(DataPrefix("s3://bucket/data"), file)


def test_missing_credentials_are_one_line(
    file: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    S3FileSystem.clear_instance_cache()
    try:
        assert "credentials" in unreachable(DataPrefix(f"s3://{bucket}/data"), file)
    finally:
        S3FileSystem.clear_instance_cache()
