"""Choose the data of a run: what the user named, the published archive, or a synthetic cohort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from components.ingest.source import UCI_SHA256, UCI_URI, UnreachableError, fetch

FALLBACK_URI = "synthetic:rows=100000&seed=0"


@dataclass(frozen=True, slots=True)
class Source:
    """A URI and the checksum expected of it; empty when unknown."""

    uri: str
    sha256: str


def choose_source(named: str, sha256: str, cache: Path, say: Callable[[str], None]) -> Source:
    """Return the data to run on.

    Args:
        named: what the user gave; empty for the published archive.
        sha256: checksum that the user expects; empty when unknown.
        cache: folder for downloads.
        say: tells the user what is done.

    Raises:
        InputError: the published archive was reached and is another file than expected.
    """
    if named:
        is_path = not urlsplit(named).scheme and Path(named).exists()
        return Source(str(Path(named).resolve()) if is_path else named, sha256)
    say("No data named: taking the published archive of the UCI repository.")
    try:
        fetch(UCI_URI, cache, UCI_SHA256)
        return Source(UCI_URI, UCI_SHA256)
    except UnreachableError as error:
        say(f"It cannot be reached: {error}")
        say("Going on with a synthetic cohort of the same schema; nothing below is about patients.")
        return Source(FALLBACK_URI, "")
