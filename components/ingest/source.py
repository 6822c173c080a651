"""Bring the raw data to this machine: a file or a folder of parts, or name a synthetic cohort."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, urlsplit

from components.errors import InputError
from components.ingest.download import check, digest, download, is_kept
from components.ingest.remote import files_in, look
from components.ingest.synthetic.drifts import Drift
from components.ingest.uri import UnreachableError, is_s3, local_path

__all__ = [
    "UCI_SHA256",
    "UCI_URI",
    "RawFile",
    "SyntheticSpec",
    "UnreachableError",
    "digest",
    "fetch",
]

UCI_URI = "https://archive.ics.uci.edu/ml/machine-learning-databases/00296/dataset_diabetes.zip"
UCI_SHA256 = "2cc570fc34b09ba1169d94b68c27ce3802dce7dc4ab6082bed833a6c195507a5"
"""The published archive (doi 10.24432/C5230J, CC BY 4.0) and its checksum."""


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """A synthetic cohort, as named by ``synthetic:rows=N&seed=S&drift=D``.

    Attributes:
        rows: encounters.
        seed: of the random numbers; 0 when it is not given.
        drift: how the later encounters differ; by the calendar when it is not given.
    """

    rows: int
    seed: int
    drift: Drift = Drift.CALENDAR

    @classmethod
    def parse(cls, uri: str) -> SyntheticSpec | None:
        """Read a ``synthetic:`` URI; ``None`` for any other.

        Raises:
            InputError: the URI is synthetic but malformed; says how to write it.
        """
        parts = urlsplit(uri)
        if parts.scheme != "synthetic":
            return None
        given = {key: values[-1] for key, values in parse_qs(parts.path).items()}
        try:
            rows, seed = int(given.pop("rows")), int(given.pop("seed", "0"))
            spec = cls(rows, seed, Drift(given.pop("drift", Drift.CALENDAR)))
        except (KeyError, ValueError):
            raise InputError(_usage(uri)) from None
        if given:
            raise InputError(_usage(uri))
        return spec


def _usage(uri: str) -> str:
    return (
        f"{uri!r}: write it as synthetic:rows=20000&seed=0&drift={Drift.CALENDAR}; "
        f"drift is one of {', '.join(Drift)}"
    )


@dataclass(frozen=True, slots=True)
class RawFile:
    """Raw data on this machine.

    Attributes:
        paths: the file, or a folder's parts in the order of their names.
        sha256: of the file's bytes; of a folder, that of the text that holds a line
            ``<name> <sha256>`` for each part.
    """

    paths: tuple[Path, ...]
    sha256: str


def fetch(uri: str, cache: Path, sha256: str = "") -> RawFile:
    """Return the file or the parquet parts that ``uri`` names, downloaded where they are remote.

    A download is kept under its checksum, so that the next run with the same one needs no network.
    A folder's parts are its ``*.parquet`` files; hidden files and those that start with an
    underscore are no parts.

    Args:
        uri: a path, or a URI with the scheme ``file``, ``https``, ``http`` or ``s3``.
        cache: folder for downloads; made when it is absent.
        sha256: expected checksum, as :class:`RawFile` has it; empty when unknown.

    Raises:
        InputError: no such file, no scheme, no parts, or another checksum than ``sha256``.
        UnreachableError: a remote source did not answer.
    """
    path = local_path(uri)
    if path is None:
        return _kept(cache, sha256.lower()) or _downloaded(uri, cache, sha256)
    if not path.exists():
        raise InputError(_no_such_file(uri, path))
    try:
        if path.is_dir():
            return _folder(uri, path, sha256)
        return RawFile((path,), check(uri, digest(path), sha256))
    except PermissionError as error:
        raise InputError(f"{uri}: cannot be read: {error.strerror}") from None


def _no_such_file(uri: str, path: Path) -> str:
    scheme = urlsplit(uri).scheme
    if "://" in uri and scheme != "file":
        return f"{uri}: {scheme}:// is not supported; give a path, https://, s3:// or file://"
    if "/" in uri or path.suffix:
        return f"{uri}: no such file, and no URI with a scheme (https://, s3://, file://)"
    return f"{uri!r}: neither a file nor a URI; give a path, https://... or s3://..."


def _folder(uri: str, folder: Path, sha256: str) -> RawFile:
    parts = _parts(uri, (path.name for path in folder.iterdir() if path.is_file()))
    text = "".join(f"{name} {digest(folder / name)}\n" for name in parts)
    return RawFile(tuple(folder / name for name in parts), check(uri, _sha256(text), sha256))


def _parts(uri: str, names: Iterable[str]) -> list[str]:
    parts = sorted(n for n in names if PurePosixPath(n).suffix == ".parquet" and n[0] not in "._")
    if not parts:
        raise InputError(f"{uri}: is a folder without a *.parquet file")
    return parts


def _downloaded(uri: str, cache: Path, sha256: str) -> RawFile:
    if is_s3(uri) and (uri.endswith("/") or look(uri).folder):
        return _downloaded_parts(uri, cache, sha256)
    path = download(uri, cache, sha256)
    return RawFile((path,), path.name)  # a download is kept under its checksum


def _downloaded_parts(uri: str, cache: Path, sha256: str) -> RawFile:
    prefix = uri.rstrip("/")
    names = _parts(uri, files_in(uri))
    paths = tuple(download(f"{prefix}/{name}", cache) for name in names)
    text = "".join(f"{name} {path.name}\n" for name, path in zip(names, paths, strict=True))
    actual = check(uri, _sha256(text), sha256)
    (cache / f"{actual}.parts").write_text(text, "utf-8")
    return RawFile(paths, actual)


def _kept(cache: Path, sha256: str) -> RawFile | None:
    """Return what an earlier run downloaded, where all of it is still there."""
    if not sha256:
        return None
    if is_kept(cache / sha256):
        return RawFile((cache / sha256,), sha256)
    parts = cache / f"{sha256}.parts"
    if not parts.is_file() or digest(parts) != sha256:
        return None
    lines = parts.read_text("utf-8").splitlines()
    paths = tuple(cache / line.rpartition(" ")[2] for line in lines)
    return RawFile(paths, sha256) if all(map(is_kept, paths)) else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
