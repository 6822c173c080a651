from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.deployment.local.ports import free_port
from components.errors import InputError
from components.ingest.source import SyntheticSpec, UnreachableError, digest, fetch
from components.ingest.synthetic.drifts import Drift

CONTENT = b"encounter_id,patient_nbr\n" + bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def refusal(uri: str, cache: Path, sha256: str = "") -> str:
    with pytest.raises(InputError) as refused:
        fetch(uri, cache, sha256)
    assert type(refused.value) is InputError
    return one_line(refused.value, uri)


def unreachable(uri: str, cache: Path) -> str:
    with pytest.raises(UnreachableError) as refused:
        fetch(uri, cache)
    return one_line(refused.value, uri)


def one_line(error: InputError, uri: str) -> str:
    assert uri in str(error)
    assert len(str(error).splitlines()) == 1
    return str(error)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my data.csv"
    path.write_bytes(CONTENT)
    return path


def test_a_path_is_read_where_it_lies(file: Path, tmp_path: Path) -> None:
    found = fetch(str(file), tmp_path / "cache")
    assert (found.paths, found.sha256) == ((file,), SHA256)
    assert not (tmp_path / "cache").exists()


def test_a_file_uri_is_read_where_it_lies(file: Path, tmp_path: Path) -> None:
    assert "%20" in file.as_uri()
    assert fetch(file.as_uri(), tmp_path / "cache").paths == (file,)


@pytest.mark.parametrize("sha256", [SHA256, SHA256.upper(), ""])
def test_the_right_checksum_passes(file: Path, tmp_path: Path, sha256: str) -> None:
    assert fetch(str(file), tmp_path, sha256).sha256 == SHA256


def test_a_wrong_checksum_is_refused_with_both(file: Path, tmp_path: Path) -> None:
    message = refusal(str(file), tmp_path, "0" * 64)
    assert SHA256 in message
    assert "0" * 64 in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(str(tmp_path / "nowhere.csv"), tmp_path)
    assert "no such file" in refusal((tmp_path / "nowhere.csv").as_uri(), tmp_path)


PARTS = {"part-0.parquet": b"PAR1 first", "part-1.parquet": b"PAR1 second"}
PARTS_SHA256 = hashlib.sha256(
    "".join(f"{n} {hashlib.sha256(c).hexdigest()}\n" for n, c in PARTS.items()).encode()
).hexdigest()
NO_PARTS = ("_SUCCESS", ".part-9.parquet", "_part-8.parquet", "readme.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "my parts"
    (path / "below").mkdir(parents=True)
    for name in reversed(PARTS):
        (path / name).write_bytes(PARTS[name])
    for name in (*NO_PARTS, "below/part-7.parquet"):
        (path / name).write_bytes(b"no part")
    return path


def test_the_parts_of_a_folder_are_read_where_they_lie(folder: Path, tmp_path: Path) -> None:
    for uri in (str(folder), folder.as_uri(), f"{folder.as_uri()}/"):
        found = fetch(uri, tmp_path / "cache", PARTS_SHA256)
        assert found.paths == tuple(folder / name for name in PARTS)
        assert found.sha256 == PARTS_SHA256


def test_a_folder_with_another_checksum_is_refused(folder: Path, tmp_path: Path) -> None:
    assert PARTS_SHA256 in refusal(str(folder), tmp_path, "0" * 64)


def test_a_folder_without_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").touch()
    assert "is a folder without a *.parquet file" in refusal(str(tmp_path), tmp_path)


@pytest.mark.parametrize("uri", ["gs://bucket/data.csv", "ftp://example.org/data.csv"])
def test_a_scheme_that_is_not_supported_is_refused(tmp_path: Path, uri: str) -> None:
    assert "is not supported" in refusal(uri, tmp_path)


@pytest.mark.parametrize("uri", ["example.org/diabetes.zip", "diabetes.zip"])
def test_an_address_without_a_scheme_is_refused_with_those_that_work(
    tmp_path: Path, uri: str
) -> None:
    assert "https://, s3://, file://" in refusal(uri, tmp_path)


def test_a_word_is_no_source(tmp_path: Path) -> None:
    assert "neither a file nor a URI" in refusal("diabetes", tmp_path)


@pytest.mark.parametrize(
    ("uri", "rows", "seed"),
    [
        ("synthetic:rows=20000&seed=7", 20_000, 7),
        ("synthetic:seed=7&rows=1", 1, 7),
        ("synthetic:rows=500", 500, 0),
    ],
)
def test_a_synthetic_uri_says_rows_and_seed(uri: str, rows: int, seed: int) -> None:
    assert SyntheticSpec.parse(uri) == SyntheticSpec(rows, seed)


@pytest.mark.parametrize("drift", Drift)
def test_a_synthetic_uri_says_how_it_drifts(drift: Drift) -> None:
    spec = SyntheticSpec.parse(f"synthetic:rows=500&drift={drift}")
    assert spec == SyntheticSpec(500, 0, drift)
    assert SyntheticSpec(500, 0).drift is Drift.CALENDAR


@pytest.mark.parametrize("query", ["rows=9&drift=sudden", "rows=9&drifts=none"])
def test_a_drift_that_is_not_known_is_refused_with_those_that_are(query: str) -> None:
    with pytest.raises(InputError, match=f"drift is one of {', '.join(Drift)}$") as refused:
        SyntheticSpec.parse(f"synthetic:{query}")
    one_line(refused.value, query)


@pytest.mark.parametrize("query", ["", "rows", "rows=x", "rows=1.5", "seed=1", "rows=9&era=2"])
def test_a_malformed_synthetic_uri_is_refused_with_a_right_one(query: str) -> None:
    with pytest.raises(InputError, match="write it as synthetic:rows=20000&seed=0"):
        SyntheticSpec.parse(f"synthetic:{query}")


@pytest.mark.parametrize("uri", ["https://example.org/?rows=1", "/data/synthetic.csv", "synthetic"])
def test_any_other_uri_is_not_synthetic(uri: str) -> None:
    assert SyntheticSpec.parse(uri) is None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.answer():
            self.wfile.write(CONTENT[:-1000] if self.path == "/cut.csv" else CONTENT)

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> bool:
        if self.path == "/missing.csv":
            self.send_error(404)
            return False
        if self.path == "/moved.csv":
            self.send_response(302)
            self.send_header("Location", "/data.csv")
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        return self.path != "/moved.csv"

    def log_message(self, format: str, *args: object) -> None:
        """Keep the requests out of the tests' output."""


@dataclass(frozen=True)
class Web:
    url: str


@contextmanager
def serving() -> Iterator[Web]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Web(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


@pytest.mark.parametrize("name", ["data.csv", "moved.csv", "my%20data.csv?version=2"])
def test_a_web_address_is_downloaded_under_its_checksum(
    tmp_path: Path, web: Web, name: str
) -> None:
    found = fetch(f"{web.url}/{name}", tmp_path / "cache")
    assert (found.paths, found.sha256) == ((tmp_path / "cache" / SHA256,), SHA256)
    assert found.paths[0].read_bytes() == CONTENT
    assert list((tmp_path / "cache").iterdir()) == [*found.paths]


@pytest.mark.parametrize("sha256", [SHA256, SHA256.upper()])
def test_a_known_checksum_needs_no_second_download(tmp_path: Path, sha256: str) -> None:
    with serving() as web:
        first = fetch(f"{web.url}/data.csv", tmp_path, sha256)
    again = fetch(f"{web.url}/data.csv", tmp_path, sha256)
    assert again == first
    unreachable(f"{web.url}/data.csv", tmp_path)


def test_a_damaged_download_is_not_taken_for_the_one_that_was_kept(
    tmp_path: Path, web: Web
) -> None:
    (tmp_path / SHA256).write_bytes(CONTENT[:-1])
    assert digest(fetch(f"{web.url}/data.csv", tmp_path, SHA256).paths[0]) == SHA256


def test_a_download_with_another_checksum_is_refused_and_not_kept(tmp_path: Path, web: Web) -> None:
    assert SHA256 in refusal(f"{web.url}/data.csv", tmp_path, "0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "reason"), [("missing.csv", "404"), ("cut.csv", "Not enough")])
def test_what_the_web_server_does_not_give_whole_is_unreachable(
    tmp_path: Path, web: Web, name: str, reason: str
) -> None:
    assert reason in unreachable(f"{web.url}/{name}", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_connection_is_unreachable(tmp_path: Path) -> None:
    port = free_port()
    message = unreachable(f"http://127.0.0.1:{port}/data.csv", tmp_path)
    assert f"Cannot connect to host 127.0.0.1:{port}" in message


def test_an_object_in_s3_is_downloaded(tmp_path: Path, s3_client: Any, bucket: str) -> None:
    s3_client.put_object(Bucket=bucket, Key="raw/my data.csv", Body=CONTENT)
    found = fetch(f"s3://{bucket}/raw/my data.csv", tmp_path, SHA256)
    assert found.sha256 == SHA256
    assert found.paths[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("nowhere.csv", "does not exist"),
        ("raw/nowhere.csv", "does not exist"),
        ("nowhere/", "does not exist"),
    ],
)
def test_an_object_that_s3_does_not_hold_is_unreachable(
    tmp_path: Path, bucket: str, key: str, reason: str
) -> None:
    assert reason in unreachable(f"s3://{bucket}/{key}", tmp_path)


@pytest.mark.usefixtures("s3_client")
def test_a_bucket_that_does_not_exist_is_unreachable(tmp_path: Path) -> None:
    assert "bucket does not exist" in unreachable("s3://no-such-bucket/data.csv", tmp_path)


@pytest.mark.usefixtures("s3_client")
def test_an_s3_server_that_is_down_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert f"127.0.0.1:{port}" in unreachable("s3://bucket/data.csv", tmp_path)


@pytest.fixture
def prefix(s3_client: Any, bucket: str) -> str:
    for name in (*NO_PARTS, "below/part-7.parquet"):
        s3_client.put_object(Bucket=bucket, Key=f"raw/my parts/{name}", Body=b"no part")
    for name in reversed(PARTS):
        s3_client.put_object(Bucket=bucket, Key=f"raw/my parts/{name}", Body=PARTS[name])
    return f"s3://{bucket}/raw/my parts"


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_parts_below_a_prefix_are_downloaded(tmp_path: Path, prefix: str, slash: str) -> None:
    found = fetch(prefix + slash, tmp_path)
    assert [path.read_bytes() for path in found.paths] == list(PARTS.values())
    assert found.sha256 == PARTS_SHA256


def test_the_parts_at_the_root_of_a_bucket_are_downloaded(
    tmp_path: Path, s3_client: Any, bucket: str
) -> None:
    s3_client.put_object(Bucket=bucket, Key="part-0.parquet", Body=b"PAR1")
    for uri in (f"s3://{bucket}", f"s3://{bucket}/"):
        assert fetch(uri, tmp_path).paths[0].read_bytes() == b"PAR1"


def test_the_parts_of_a_known_checksum_need_no_second_download(
    tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch(prefix, tmp_path, PARTS_SHA256)
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert fetch(prefix, tmp_path, PARTS_SHA256.upper()) == first
    first.paths[1].write_bytes(b"damaged")
    with pytest.raises(UnreachableError):
        fetch(prefix, tmp_path, PARTS_SHA256)


def test_parts_with_another_checksum_are_refused(tmp_path: Path, prefix: str) -> None:
    assert PARTS_SHA256 in refusal(prefix, tmp_path, "0" * 64)


def test_a_prefix_without_parts_is_refused(tmp_path: Path, s3_client: Any, bucket: str) -> None:
    s3_client.put_object(Bucket=bucket, Key="raw/_SUCCESS", Body=b"")
    assert "is a folder without a *.parquet file" in refusal(f"s3://{bucket}/raw/", tmp_path)
