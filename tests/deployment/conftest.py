"""Fixtures: settings over a real MLflow store, and versions in it that a real server serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from releasing import Releases

from components.settings import Settings


@pytest.fixture
def releases(settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Releases]:
    """Return what registers and releases small bundles; stop all that it started."""
    made = Releases(settings(), tmp_path)
    yield made
    made.stop()
