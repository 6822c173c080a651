from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from searches import SEED

from components.tuning.families import families
from components.tuning.family import Family, Matrices
from components.tuning.journal import Journal
from components.tuning.runtime import ray_runtime
from components.tuning.search import Budget, planned_trials, search
from components.tuning.trial import TrialResult


@pytest.fixture
def two_nodes() -> Iterator[Cluster]:
    """Run a Ray cluster of two nodes with one processor each, on this machine."""
    store = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**store, "include_dashboard": False})
    cluster.add_node(**store)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def noting(family: Family, folder: Path) -> Family:
    """Return the family, noting in ``folder`` each node on which it is prepared."""

    def prepare(data: Matrices) -> Any:
        (folder / ray.get_runtime_context().get_node_id()).touch()
        return family.prepare(data)

    return replace(family, prepare=prepare)


def test_the_same_search_runs_on_the_nodes_of_a_cluster(
    two_nodes: Cluster, data: Matrices, tmp_path: Path
) -> None:
    nodes = tmp_path / "nodes"
    nodes.mkdir()
    every = tuple(noting(family, nodes) for family in families())
    journal = Journal(tmp_path / "journal")
    with ray_runtime(0, data, two_nodes.address) as at_once:
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        found = search(every, data, Budget(4, 100), SEED, journal, tmp_path, _untold, at_once)
    assert at_once == 2
    assert len(found.trials) == planned_trials(every, Budget(4, 100))
    assert {path.name for path in nodes.iterdir()} == alive
    assert len(alive) == 2


def _untold(_: TrialResult) -> None:
    """Tell nobody of a trial's end."""
