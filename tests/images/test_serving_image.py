from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from builders import random_rows, tiny_bundle
from containers import built_image, container, docker, python, wait_until_ready

from components.deployment.local.ports import free_port
from components.registry.bundle import Bundle

pytestmark = pytest.mark.image


@dataclass(frozen=True)
class Served:
    container: str
    client: httpx.Client


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    directory = tmp_path_factory.mktemp("models") / "bundle"
    return directory, tiny_bundle(directory)


@pytest.fixture(scope="module")
def served(bundle: tuple[Path, Bundle]) -> Iterator[Served]:
    """Yield a container that serves the tiny bundle to the tests that do not stop it."""
    with _serving(bundle[0]) as served:
        yield served


@contextmanager
def _serving(bundle: Path) -> Iterator[Served]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    mount = ("--volume", f"{bundle}:/mnt/models:ro")
    arguments = ("--bundle", "/mnt/models", "--version", "7", "--port", str(port))
    with (
        container(built_image("serving"), *arguments, options=mount) as name,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        wait_until_ready(name, f"{url}/v2/models/readmission/ready", 120)
        yield Served(name, client)


def test_a_sealed_container_becomes_ready_and_scores_as_offline(
    served: Served, bundle: tuple[Path, Bundle]
) -> None:
    rows = random_rows(50, seed=11)
    answer = served.client.post("/v1/models/readmission:predict", json={"instances": rows}).json()
    scored = [prediction["probability"] for prediction in answer["predictions"]]
    assert np.abs(np.array(scored) - bundle[1].score_rows(rows)).max() < 1e-9
    assert (answer["model_version"], answer["bundle"]) == ("7", bundle[1].digest[:12])


def test_its_process_is_no_root_and_has_written_nothing(served: Served) -> None:
    uids = docker("exec", served.container, "python", "-c", "import os; print(os.getresuid())")
    assert uids == "(65532, 65532, 65532)"
    # What Docker itself lays into a container: mount points, never a file with content.
    changed = [line.split()[1] for line in docker("diff", served.container).splitlines()]
    assert [path for path in changed if not path.startswith(("/mnt", "/etc"))] == []


def test_it_ends_soon_and_well_when_it_is_asked_to(bundle: tuple[Path, Bundle]) -> None:
    with _serving(bundle[0]) as served:
        started = time.monotonic()
        docker("stop", "--time", "60", served.container)
        assert time.monotonic() - started < 30
        assert docker("inspect", "--format", "{{.State.ExitCode}}", served.container) == "0"


def test_the_self_test_passes_without_a_network_and_sends_no_telemetry() -> None:
    sealed = ("--rm", "--read-only", "--network", "none")
    image = built_image("serving")
    done = docker("run", *sealed, image, "--self-test")
    assert done.startswith("self-test: 8 golden rows")
    assert python(image, "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])") == "1"
