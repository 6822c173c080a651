"""Copy all objects below an address of S3 into a tar on standard output, and back.

    python objects.py save s3://bucket/prefix >objects.tar
    python objects.py check <objects.tar
    python objects.py load s3://bucket/prefix <objects.tar

    python objects.py put s3://bucket/name <file
    python objects.py get s3://bucket/name >file

It needs boto3 and nothing else, and runs wherever the steps' image or .venv is: a command line
of a cloud, or rclone, would be one more thing to install, to pin and to give keys. The last member
of the tar is the list of its objects with their sha256: a tar that was cut off has none.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import boto3  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

FOLDER = "objects/"
LIST = "sha256.json"
CHUNK = 1 << 20


class Hashed(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._sha256 = hashlib.sha256()
        self.count = 0

    def readable(self) -> bool:
        """Say that it can be read, as what uploads it asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of a buffer."""
        content = self._source.read(len(buffer))
        buffer[: len(content)] = content
        self._sha256.update(content)
        self.count += len(content)
        return len(content)

    def finish(self) -> str:
        """Read the rest, and return the sha256 of all."""
        while self.read(CHUNK):
            pass
        return self._sha256.hexdigest()


class Place:
    """All objects of a bucket below a prefix."""

    def __init__(self, uri: str) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").strip("/").partition("/")
        if not uri.startswith("s3://") or not bucket:
            raise ValueError(f"{uri!r} is no address of S3; write s3://bucket/prefix")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        # MLflow's server is told its endpoint under a name of its own.
        url = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None
        self._client = boto3.client("s3", endpoint_url=url)

    def names(self) -> Iterator[str]:
        """Yield the objects' names without the prefix."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for found in page.get("Contents", []):
                yield found["Key"].removeprefix(self._prefix)

    def open(self, name: str) -> tuple[Hashed, int]:
        """Return an object's content, and how long it is."""
        found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
        return Hashed(found["Body"]), found["ContentLength"]

    def write(self, name: str, content: Hashed) -> None:
        """Put an object, over one of its name."""
        self._client.upload_fileobj(content, self._bucket, self._prefix + name)


def save(uri: str, out: BinaryIO) -> dict[str, str]:
    """Write all objects into a tar; return the sha256 of each."""
    place, sums = Place(uri), {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in place.names():
            content, length = place.open(name)
            _add(tar, FOLDER + name, content, length)
            sums[name] = content.finish()
        listed = json.dumps(sums, indent=1).encode()
        _add(tar, LIST, io.BytesIO(listed), len(listed))
    return sums


def check(source: BinaryIO, take: Callable[[str, Hashed], None] | None = None) -> dict[str, str]:
    """Read a tar to its end, and return the sha256 of its objects.

    Args:
        source: of the tar.
        take: is called with each object's name and content.

    Raises:
        ValueError: the tar is not whole, or an object is not what it was.
    """
    sums: dict[str, str] = {}
    listed: dict[str, str] | None = None
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in tar:
            content = Hashed(tar.extractfile(member))
            if member.name == LIST:
                listed = json.loads(content.read(member.size))
                continue
            name = member.name.removeprefix(FOLDER)
            if take:
                take(name, content)
            sums[name] = content.finish()
    if listed is None:
        raise ValueError("the tar is cut off; take another backup")
    _compare(listed, sums, "the tar")
    return sums


def load(uri: str, source: BinaryIO) -> dict[str, str]:
    """Put the objects of a tar where they were, and read all of them back."""
    place = Place(uri)
    sums = check(source, place.write)
    _compare(sums, {name: place.open(name)[0].finish() for name in sums}, uri)
    return sums


def put(uri: str, source: BinaryIO) -> None:
    """Put one object, and read it back."""
    place, name = _split(uri)
    content = Hashed(source)
    place.write(name, content)
    _compare({name: content.finish()}, {name: place.open(name)[0].finish()}, uri)


def get(uri: str, out: BinaryIO) -> None:
    """Write one object."""
    place, name = _split(uri)
    content, _ = place.open(name)
    while part := content.read(CHUNK):
        out.write(part)


def main(arguments: list[str]) -> int:
    """Do what the arguments say; return the exit code."""
    match arguments:
        case ["save", uri]:
            sums = save(uri, sys.stdout.buffer)
        case ["check"]:
            sums = check(sys.stdin.buffer)
        case ["load", uri]:
            sums = load(uri, sys.stdin.buffer)
        case ["put", uri]:
            put(uri, sys.stdin.buffer)
            return 0
        case ["get", uri]:
            get(uri, sys.stdout.buffer)
            return 0
        case _:
            print("usage: objects.py save|load|put|get URI, or check", file=sys.stderr)
            return 2
    print(f"{len(sums)} objects", file=sys.stderr)
    return 0


def _split(uri: str) -> tuple[Place, str]:
    folder, _, name = uri.rpartition("/")
    return Place(folder), name


def _add(tar: tarfile.TarFile, name: str, content: Any, length: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = length
    tar.addfile(member, content)


def _compare(wanted: dict[str, str], found: dict[str, str], where: str) -> None:
    wrong = [name for name in wanted | found if wanted.get(name) != found.get(name)]
    if wrong:
        raise ValueError(f"{where}: {len(wrong)} objects are not what they were: {wrong[0]}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (BotoCoreError, ClientError, OSError, ValueError, tarfile.TarError) as error:
        print(f"error: objects: {error}", file=sys.stderr)
        sys.exit(1)
