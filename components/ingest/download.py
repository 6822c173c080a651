"""Download a file so that what breaks off goes on where it stopped, now or in a later run.

A partial file is named by its URI and by what identifies the content there, so that bytes of two
versions never meet in it. It is its own lock: the system lets go of it when a process dies, and a
second process that wants the same file waits for the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from components.errors import InputError
from components.ingest.remote import Remote, look
from components.ingest.uri import BrokenOffError, UnreachableError

PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each further attempt that follows one without progress."""


def digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_kept(path: Path) -> bool:
    """Whether a file of the cache is there and still is what its name, a checksum, says."""
    return path.is_file() and digest(path) == path.name


def check(uri: str, actual: str, expected: str) -> str:
    """Return the actual checksum.

    Raises:
        InputError: another one was expected.
    """
    if expected and actual != expected.lower():
        raise InputError(f"{uri}: sha256 is {actual}, expected {expected}; the file is another one")
    return actual


def download(uri: str, cache: Path, sha256: str = "") -> Path:
    """Download a remote file into ``cache``, where its name is its checksum.

    What breaks off is tried again, as long as more of the file arrives and :data:`PAUSES` times
    after that; what has arrived then is kept for the next call. Without a checksum the file's size
    is held against the server's; a server that tells neither size nor version is believed.

    Args:
        uri: what to download.
        cache: folder for it; made when it is absent.
        sha256: expected checksum; empty when unknown.

    Raises:
        InputError: the file has another checksum; nothing of it is kept.
        UnreachableError: the remote did not answer, or broke off time and again.
    """
    cache.mkdir(parents=True, exist_ok=True)
    remote = look(uri)  # not tried again: fsspec and botocore do so themselves
    furthest, pauses = 0, list(PAUSES)
    while True:
        partial = cache / f"{_name(remote, sha256)}.part"
        try:
            return _attempt(remote, partial, sha256)
        except BrokenOffError as error:
            held = _size(partial)
            if held > furthest:
                furthest, pauses = held, list(PAUSES)
            if not pauses:
                raise UnreachableError(f"{error}{_kept(held, remote)}") from error
            time.sleep(pauses.pop(0))
            with contextlib.suppress(BrokenOffError):
                remote = look(uri)


def _name(remote: Remote, sha256: str) -> str:
    version = f"{remote.tag or sha256.lower()}\n{remote.size}"
    return "-".join(hashlib.sha256(t.encode()).hexdigest()[:16] for t in (remote.uri, version))


def _kept(held: int, remote: Remote) -> str:
    if not held or not remote.ranges:
        return ""
    return f"; {held} of {remote.size} bytes are kept, the next run goes on from there"


def _attempt(remote: Remote, partial: Path, sha256: str) -> Path:
    named = bool(remote.tag or sha256)
    with _alone(partial) as file:
        if whole := _already(partial, sha256):
            partial.unlink()
            return whole
        try:
            _fill(file, remote, named)
            return _finish(remote, partial, sha256)
        except BrokenOffError:
            if not named:  # no later attempt could tell that it is of the same content
                partial.unlink()
            raise


@contextmanager
def _alone(partial: Path) -> Iterator[IO[bytes]]:
    """Open a partial file that no other process writes to."""
    while True:
        with partial.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(partial, file):  # who had it before may have renamed or removed it
                yield file
                return


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _already(partial: Path, sha256: str) -> Path | None:
    """Return the whole file where it was downloaded before."""
    record = partial.with_suffix(".sha256")
    names = [sha256.lower()] if sha256 else []
    if record.is_file() and not sha256:
        names.append(record.read_text("utf-8"))
    return next((p for p in (partial.with_name(n) for n in names if n) if is_kept(p)), None)


def _fill(file: IO[bytes], remote: Remote, named: bool) -> None:
    """Write to a partial file what it lacks; what was written before a failure stays."""
    held = file.seek(0, os.SEEK_END)
    goes_on = named and remote.ranges and remote.size is not None and held <= remote.size
    if goes_on and held == remote.size:
        return
    start, body = remote.open_at(held if goes_on else 0)
    with body:
        file.truncate(start)
        while chunk := remote.read(body):
            file.write(chunk)
    file.flush()


def _finish(remote: Remote, partial: Path, sha256: str) -> Path:
    """Check a partial file that should be whole, and give it its name."""
    size = partial.stat().st_size
    if remote.size not in (None, size):
        raise BrokenOffError(f"{remote.uri}: cannot be read: {size} of {remote.size} bytes came")
    try:
        actual = check(remote.uri, digest(partial), sha256)
    except InputError:
        partial.unlink()
        raise
    if remote.tag:
        partial.with_suffix(".sha256").write_text(actual, "utf-8")
    path = partial.rename(partial.with_name(actual))
    _sweep(partial)
    return path


def _sweep(partial: Path) -> None:
    """Remove what is left of other versions, unless a process is at it."""
    for other in partial.parent.glob(f"{partial.name.partition('-')[0]}-*.part"):
        with contextlib.suppress(OSError), other.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            other.unlink()
