"""What the tests of faults release on, and how they tell what happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from asking import Client
from builders import tiny_bundle
from faultproxy import FaultProxy
from releasing import Releases
from serving_process import ROOT

from components.deployment.recognise import recognise
from components.registry.bundle import Bundle

QUICK_CLIENTS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""A registry that hangs is given up after seconds: the tests need not wait for minutes."""


@dataclass
class Table:
    """A Markdown table, a line a fault."""

    lines: list[tuple[str, str, str, str]] = field(default_factory=list)

    def text(self) -> str:
        head = ("fault", "what the run said", "requests, errors", "one run later")
        rows = [head, ("---",) * len(head), *self.lines]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


TablesKey = pytest.StashKey[Table]()


@dataclass
class Stage:
    """A registry and a store that can be made to fail, and releases on them."""

    releases: Releases
    store: FaultProxy
    registry: FaultProxy
    bundles: dict[str, Bundle] = field(default_factory=dict)
    client: Client | None = None
    seed: int = 0

    def register(self) -> str:
        """Register a new version as a run does, whose answers the client then knows."""
        self.seed += 1
        recognise(self.releases.settings)
        version = self.releases.register(self.seed)
        self.know(version)
        return version

    def know(self, version: str) -> None:
        self.bundles[version] = self.releases.bundle(version)
        if self.client:
            self.client.know(version, self.bundles[version])

    def release(self) -> str:
        """Do a whole run."""
        version = self.register()
        self.releases.release(version)
        return version

    def run_until(self, point: str) -> subprocess.CompletedProcess[str]:
        """Do a whole run in a process of its own, which is killed at a point."""
        self.seed += 1
        folder = self.releases.folder / f"bundle-{self.seed}"
        # The client must know the answers before the version exists.
        bundle, next_version = tiny_bundle(folder, self.seed), str(self._versions() + 1)
        self.bundles[next_version] = bundle
        if self.client:
            self.client.know(next_version, bundle)
        given = {
            f"HEALTH_PREDICT_{name.upper()}": str(value)
            for name, value in self.releases.settings.model_dump(exclude_none=True).items()
        }
        run = {"HEALTH_PREDICT_RUN_ID": f"killed-{self.seed}", "PYTHONPATH": "tests"}
        command = [sys.executable, "tests/killed.py", point, str(folder)]
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | given | run, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def _versions(self) -> int:
        return max(map(int, self.bundles), default=0)

    def assert_settled(self, version: str) -> None:
        """Check that registry and endpoint agree, and that nothing was left behind."""
        serving = self.releases.target.serving()
        assert serving.stable
        assert serving.stable.version == self.releases.production() == version
        assert serving.canary is None
        assert len(self.servers()) == 1

    def servers(self) -> list[psutil.Process]:
        """Return the model servers that run for this stage."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if "--bundle" in line and any(str(self.releases.folder) in part for part in line):
                found.append(process)
        return found

    @contextmanager
    def watched(self, fault: str, table: Table) -> Iterator[list[str]]:
        """Check that the client sees no error in the block, and note the fault in the table.

        The block appends what the run said; one run later all must be settled.
        """
        client = self.client
        assert client is not None
        before, wrong, said = client.answered.total(), len(client.wrong), list[str]()
        yield said
        version = self.release()
        self.assert_settled(version)
        asked = client.answered.total() - before
        assert asked > 0
        assert client.wrong[wrong:] == []
        later = f"version {version} serves and is production"
        table.lines.append((fault, said[0] if said else "-", f"{asked}, 0", later))
