"""Downloads that break off, over real sockets; bytes served prove what was not asked for twice."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

from components.errors import InputError
from components.ingest import download as module
from components.ingest.download import download
from components.ingest.remote import Remote, look
from components.ingest.uri import BrokenOffError, UnreachableError

OLD = bytes(range(256)) * 24_000
NEW = OLD[::-1]
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
CUT = 4_000_000
IN_FLIGHT = 1_000_000
"""Bytes that may be lost in buffers when a connection ends."""

START = """
import sys
from pathlib import Path
from components.ingest.download import download
print(download(sys.argv[1], Path(sys.argv[2])))
"""


@dataclass
class Site:
    """A web server's one file, and how it fails."""

    content: bytes = OLD
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"old"'})
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    tells_length: bool = True
    after_head: dict[str, Any] = field(default_factory=dict)
    after_get: dict[str, Any] = field(default_factory=dict)
    hold: threading.Event | None = None
    heads: int = 0
    asked: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    served: int = 0
    url: str = ""

    def turn(self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(self, name, value)


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            site.heads += 1
            self.start(200, len(site.content))
            site.turn(site.after_head)

        def do_GET(self) -> None:
            site.asked.append(self.headers.get("Range", ""))
            site.conditions.append(self.headers.get("If-Range", ""))
            if site.statuses:
                return self.start(site.statuses.pop(0), 0)
            start = self.first_byte()
            if start:
                place = f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
                self.start(206, len(site.content) - start, {"Content-Range": place})
            else:
                self.start(200, len(site.content))
            with contextlib.suppress(ConnectionError):
                self.send(site.content[start:])
            return site.turn(site.after_get)

        def first_byte(self) -> int:
            named = self.headers.get("If-Range")
            if not site.ranges or (named and named not in site.headers.values()):
                return 0
            return int(self.headers.get("Range", "bytes=0-")[6:-1])

        def start(self, status: int, length: int, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            if site.tells_length or self.command == "HEAD":
                self.send_header("Content-Length", str(length))
            for name, value in (site.headers | (more or {})).items():
                self.send_header(name, value)
            self.end_headers()

        def send(self, body: bytes) -> None:
            if site.cuts:
                body = body[: site.cuts.pop(0)]
            self.wfile.write(body)
            site.served += len(body)
            if site.hold:
                self.wfile.flush()
                site.hold.wait(60)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the requests out of the tests' output."""

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(served)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/data.csv"
        try:
            yield served
        finally:
            if served.hold:
                served.hold.set()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01, 0.01))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def partials(cache: Path) -> list[Path]:
    return list(cache.glob("*.part"))


def break_off(site: Site, cache: Path, expected: str = "") -> str:
    """Download in a run that has no second attempt; return its refusal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAUSES", ())
        with pytest.raises(UnreachableError) as refused:
            download(site.url, cache, expected)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": '"old"', "Last-Modified": DATE}, '"old"'),
        ({"Last-Modified": DATE}, DATE),
        ({"ETag": 'W/"old"', "Last-Modified": DATE}, DATE),
    ],
)
def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    tmp_path: Path, site: Site, headers: dict[str, str], condition: str
) -> None:
    site.headers, site.cuts = headers, [CUT]
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert site.conditions == ["", condition]
    assert CUT - IN_FLIGHT <= int(site.asked[1][6:-1]) <= CUT
    assert site.served <= len(OLD) + IN_FLIGHT
    assert partials(tmp_path) == []


def test_a_later_run_goes_on_where_an_earlier_one_stopped(tmp_path: Path, site: Site) -> None:
    site.cuts = [CUT]
    message = break_off(site, tmp_path)
    held = partials(tmp_path)[0].stat().st_size
    assert f"{held} of {len(OLD)} bytes are kept, the next run goes on from there" in message
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert site.asked == ["", f"bytes={held}-"]


def test_as_long_as_more_arrives_it_is_tried_again(tmp_path: Path, site: Site) -> None:
    site.cuts = [1_100_000] * 5
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert len(site.asked) > 1 + len(module.PAUSES)


def test_without_progress_it_is_given_up(tmp_path: Path, site: Site) -> None:
    site.cuts = [CUT, *[0] * 9]
    with pytest.raises(UnreachableError, match="bytes are kept"):
        download(site.url, tmp_path)
    assert len(site.asked) == 2 + len(module.PAUSES) - 1


def test_a_server_without_ranges_starts_over(tmp_path: Path, site: Site) -> None:
    site.ranges, site.cuts = False, [CUT]
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert site.served == CUT + len(OLD)


def test_a_server_that_says_that_it_has_no_ranges_is_not_asked_for_one(
    tmp_path: Path, site: Site
) -> None:
    site.headers["Accept-Ranges"] = "none"
    site.ranges, site.cuts = False, [CUT]
    assert "kept" not in break_off(site, tmp_path)
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert site.asked == ["", ""]


def test_a_server_that_refuses_a_range_starts_over(tmp_path: Path, site: Site) -> None:
    site.cuts = [CUT]
    break_off(site, tmp_path)
    site.statuses = [416]
    assert download(site.url, tmp_path).read_bytes() == OLD


def test_another_content_is_never_mixed_with_the_one_before(tmp_path: Path, site: Site) -> None:
    site.cuts = [CUT]
    break_off(site, tmp_path)
    site.turn({"content": NEW, "headers": {"ETag": '"new"'}})
    assert download(site.url, tmp_path).read_bytes() == NEW
    assert site.asked == ["", ""]
    assert partials(tmp_path) == []  # of the old content nothing is left


def test_a_content_that_changes_between_two_attempts_is_read_anew(
    tmp_path: Path, site: Site
) -> None:
    site.cuts = [CUT]
    site.after_get = {"content": NEW, "headers": {"ETag": '"new"'}}
    assert download(site.url, tmp_path).read_bytes() == NEW


@pytest.mark.parametrize("ranges", [True, False])
def test_a_content_that_changes_after_it_was_looked_at_is_read_anew(
    tmp_path: Path, site: Site, ranges: bool
) -> None:
    site.cuts = [CUT]
    break_off(site, tmp_path)
    site.ranges = ranges
    site.after_head = {"content": NEW, "headers": {"ETag": '"new"'}}
    assert download(site.url, tmp_path).read_bytes() == NEW


def test_a_content_that_never_stays_the_same_is_refused(tmp_path: Path, site: Site) -> None:
    site.after_head = {"headers": {"ETag": '"a"'}}
    site.after_get = {"headers": {"ETag": '"b"'}}
    with pytest.raises(UnreachableError, match="changes while it is read"):
        download(site.url, tmp_path)


def test_nothing_is_kept_of_a_content_without_a_name(tmp_path: Path, site: Site) -> None:
    site.headers, site.cuts = {}, [CUT]
    assert "kept" not in break_off(site, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_checksum_names_a_content_too(tmp_path: Path, site: Site) -> None:
    site.headers, site.cuts = {}, [CUT]
    assert download(site.url, tmp_path, sha256(OLD)).read_bytes() == OLD
    assert site.served <= len(OLD) + IN_FLIGHT


def test_a_mixture_does_not_pass_the_checksum_and_is_not_kept(tmp_path: Path, site: Site) -> None:
    site.headers, site.cuts = {}, [CUT]
    break_off(site, tmp_path, sha256(NEW))
    site.content = NEW
    with pytest.raises(InputError, match=f"expected {sha256(NEW)}") as refused:
        download(site.url, tmp_path, sha256(NEW))
    assert type(refused.value) is InputError
    assert list(tmp_path.iterdir()) == []
    assert download(site.url, tmp_path, sha256(NEW)).read_bytes() == NEW


def test_a_file_shorter_than_the_server_said_is_refused(tmp_path: Path, site: Site) -> None:
    site.tells_length, site.ranges, site.cuts = False, False, [CUT] * 9
    with pytest.raises(UnreachableError, match=f"{CUT} of {len(OLD)} bytes came"):
        download(site.url, tmp_path)
    assert not (tmp_path / sha256(OLD[:CUT])).exists()


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, site: Site, status: int) -> None:
    site.statuses = [status]
    assert download(site.url, tmp_path).read_bytes() == OLD


def test_a_server_that_forbids_is_not_asked_again(tmp_path: Path, site: Site) -> None:
    site.statuses = [403]
    with pytest.raises(UnreachableError, match="403"):
        download(site.url, tmp_path)
    assert len(site.asked) == 1


def test_a_content_that_was_downloaded_before_is_not_read_again(tmp_path: Path, site: Site) -> None:
    first = download(site.url, tmp_path)
    assert download(site.url, tmp_path) == first
    assert site.served == len(OLD)
    first.write_bytes(OLD[:-1])
    assert download(site.url, tmp_path).read_bytes() == OLD


def interrupt(site: Site, cache: Path) -> int:
    """Interrupt a download; return how many bytes it leaves."""
    read, left = Remote.read, [3]

    def interrupted(remote: Remote, body: Any) -> bytes:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return read(remote, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(site.url, cache)
    return partials(cache)[0].stat().st_size


def test_an_interrupt_keeps_what_has_arrived(tmp_path: Path, site: Site) -> None:
    held = interrupt(site, tmp_path)
    assert held > 0
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert site.asked == ["", f"bytes={held}-"]


def test_what_an_interrupt_leaves_of_a_content_without_a_name_is_not_trusted(
    tmp_path: Path, site: Site
) -> None:
    site.headers = {}
    assert interrupt(site, tmp_path) > 0
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert site.asked == ["", ""]


def test_a_full_disk_is_said_as_such(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    @contextlib.contextmanager
    def full(partial: Path) -> Iterator[IO[bytes]]:
        with Full() as file:
            yield file

    monkeypatch.setattr(module, "_alone", full)
    with pytest.raises(OSError, match="No space left") as refused:
        download(site.url, tmp_path)
    assert refused.value.errno == errno.ENOSPC


def start(site: Site, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START, site.url, str(cache)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def wait_for(what: str, seconds: float = 30) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)
    pytest.fail(f"{what} did not happen")


def test_no_other_opens_a_partial_file_meanwhile(tmp_path: Path) -> None:
    partial = tmp_path / "a.part"
    with module._alone(partial), partial.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with partial.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_processes_download_it_once(tmp_path: Path, site: Site) -> None:
    site.hold = threading.Event()
    with start(site, tmp_path) as one, start(site, tmp_path) as other:
        for _ in wait_for("both processes' first look"):
            if site.heads == 2 and site.asked:
                break
        site.hold.set()
        said = {one.communicate(timeout=30)[0], other.communicate(timeout=30)[0]}
    assert said == {f"{tmp_path / sha256(OLD)}\n"}
    assert site.served == len(OLD)
    assert partials(tmp_path) == []


def test_a_process_that_was_killed_leaves_what_the_next_goes_on_with(
    tmp_path: Path, site: Site
) -> None:
    site.cuts, site.hold = [CUT], threading.Event()
    with start(site, tmp_path) as process:
        for _ in wait_for("the first megabyte"):
            if any(path.stat().st_size >= 1_000_000 for path in partials(tmp_path)):
                break
        process.kill()
    site.hold.set()
    assert download(site.url, tmp_path).read_bytes() == OLD
    assert int(site.asked[1][6:-1]) >= 1_000_000


BIG = bytes(range(256)) * (20 << 12)


def test_an_object_that_breaks_off_goes_on_where_it_stopped(
    tmp_path: Path, s3_client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_client.put_object(Bucket=bucket, Key="data.csv", Body=BIG)
    read, places = Remote.read, list[int]()

    def broken(remote: Remote, body: Any) -> bytes:
        places.append(body.tell())
        if len(places) == 2:
            raise BrokenOffError("the connection was lost")
        return read(remote, body)

    monkeypatch.setattr(Remote, "read", broken)
    assert download(f"s3://{bucket}/data.csv", tmp_path).read_bytes() == BIG
    assert places == [0, 8 << 20, 8 << 20, 16 << 20, 20 << 20]


def test_an_object_that_is_replaced_while_it_is_read_is_read_anew(
    tmp_path: Path, s3_client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_client.put_object(Bucket=bucket, Key="data.csv", Body=BIG)
    read, calls = Remote.read, list[int]()

    def replaced(remote: Remote, body: Any) -> bytes:
        calls.append(body.tell())
        if len(calls) == 2:
            s3_client.put_object(Bucket=bucket, Key="data.csv", Body=BIG[::-1])
        return read(remote, body)

    monkeypatch.setattr(Remote, "read", replaced)
    assert download(f"s3://{bucket}/data.csv", tmp_path).read_bytes() == BIG[::-1]
    assert calls[2] == 0


def test_an_object_that_is_replaced_before_it_is_read_is_noticed(
    s3_client: Any, bucket: str
) -> None:
    s3_client.put_object(Bucket=bucket, Key="data.csv", Body=b"old")
    remote = look(f"s3://{bucket}/data.csv")
    s3_client.put_object(Bucket=bucket, Key="data.csv", Body=b"new")
    with pytest.raises(BrokenOffError, match="changes while it is read"):
        remote.open_at(0)


def test_an_empty_object_is_an_empty_file(tmp_path: Path, s3_client: Any, bucket: str) -> None:
    s3_client.put_object(Bucket=bucket, Key="empty.csv", Body=b"")
    assert download(f"s3://{bucket}/empty.csv", tmp_path).read_bytes() == b""
