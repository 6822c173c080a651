"""A Docker engine's images and containers, for tests that say so where there is none to test."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
DOCKER = os.environ.get("DOCKER") or "docker"
REQUIRED = "IMAGE_TESTS_REQUIRED"
"""A variable: when it is set, an image that cannot be tested fails its tests."""
_COPY = re.compile(r"^COPY (?!--from)(.+)$", re.MULTILINE)
_DIGESTS = """
import hashlib, json, pathlib
files = [p for p in pathlib.Path("/app").rglob("*") if p.is_file() and p.suffix != ".pyc"]
print(json.dumps({str(p.relative_to("/app")): hashlib.sha256(p.read_bytes()).hexdigest()
                  for p in files}))
"""


def docker(*arguments: str) -> str:
    """Run a command of Docker's, and return what it prints.

    Raises:
        CalledProcessError: it failed; FileNotFoundError: there is no Docker.
    """
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def built_image(name: str) -> str:
    """Return the reference of the image ``components`` or ``serving``.

    Skip, with the reason, unless it is there and was built from this tree's sources.
    """
    image = os.environ.get(f"{name.upper()}_IMAGE") or f"health-predict-{name}:local"
    reason = _unusable(image, ROOT / name / "Dockerfile", f"make image-{name}")
    if reason and os.environ.get(REQUIRED):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return image


def wait_until_ready(container: str, url: str, seconds: float) -> None:
    """Wait until a container answers well at ``url``, or fail with its log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and docker("ps", "--quiet", "--no-trunc").count(container):
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.1)
    pytest.fail(f"the container did not become ready: {docker('logs', container)}")


def python(image: str, code: str) -> str:
    """Return what a Python program prints in a container with no network and nothing to write."""
    sealed = ("--rm", "--read-only", "--network", "none")
    return docker("run", *sealed, "--entrypoint", "python", image, "-c", code)


@contextmanager
def container(image: str, *arguments: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a container as a restricted pod would, and yield its id.

    It is not root, writes nowhere, gains no right, and listens on this host.
    """
    sealed = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    name = docker("run", "--detach", *sealed, "--network", "host", *options, image, *arguments)
    try:
        yield name
    finally:
        docker("rm", "--force", name)


def copied(dockerfile: Path) -> list[str]:
    """Return the paths below the repository's top that a Dockerfile copies into ``/app``."""
    words = [line.split()[:-1] for line in _COPY.findall(dockerfile.read_text("utf-8"))]
    return [path for sources in words for path in sources if not path.endswith("requirements.txt")]


def _unusable(image: str, dockerfile: Path, verb: str) -> str | None:
    try:
        docker("version")
    except FileNotFoundError:
        return f"there is no {DOCKER} here"
    except subprocess.CalledProcessError:
        return "no Docker engine answers"
    try:
        docker("image", "inspect", image)
    except subprocess.CalledProcessError:
        return f"there is no image {image}; {verb} builds it"
    if json.loads(python(image, _DIGESTS)) != _sources(copied(dockerfile)):
        return f"{image} was built from other sources than these; {verb} builds it anew"
    return None


def _sources(paths: list[str]) -> dict[str, str]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard", "--", *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and "Dockerfile" not in name]
    present = {name: ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()}
    return {n: hashlib.sha256(path.read_bytes()).hexdigest() for n, path in present.items()}
