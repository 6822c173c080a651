"""Matrices and Ray runtimes that the tests of the search share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from searches import small_matrices

from components.tuning.family import Matrices
from components.tuning.runtime import ray_runtime


@pytest.fixture(scope="session")
def data() -> Matrices:
    return small_matrices()


@pytest.fixture(scope="module")
def ray_of_two(data: Matrices) -> Iterator[int]:
    """Start a Ray of two processors for a module; one process can have but one at a time."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="r") as folder:
        patch.setenv("RAY_TMPDIR", folder)  # short: the path of a socket has few characters
        with ray_runtime(2, data) as at_once:
            yield at_once
