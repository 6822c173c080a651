"""Small versions, registered and released as the pipeline's steps do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builders import tiny_bundle

from components.deployment import step
from components.deployment.local.endpoint import Endpoint, EndpointFile
from components.deployment.local.target import LocalTarget
from components.deployment.rollout import Limits, Rollout
from components.events import Report
from components.registry.bundle import Bundle
from components.registry.models import COMPARED_WITH, Registry, Version
from components.registry.store import BundleStore
from components.settings import Settings

QUICK = Rollout(seconds=0.2, limits=Limits(requests=20, p95_ms=1000.0))


@dataclass(frozen=True)
class Releases:
    """Versions of one registry, and the target that its settings name."""

    settings: Settings
    folder: Path
    rollout: Rollout = QUICK

    @property
    def registry(self) -> Registry:
        return Registry(self.settings)

    @property
    def target(self) -> LocalTarget:
        return LocalTarget(self.settings)

    def register(self, seed: int, compared_with: str | None = None) -> str:
        """Register another small model, compared with what is in production unless told."""
        folder = self.folder / f"bundle-{seed}"
        if not folder.exists():
            tiny_bundle(folder, seed)
        uri = BundleStore(self.settings.bundle_store).put(folder)
        if compared_with is None:
            compared_with = self.production()
        tags = {COMPARED_WITH: compared_with, "run_id": f"{self.settings.run_id}-{seed}"}
        return self.registry.register(uri, "", tags).number

    def deploy(self, version: str) -> None:
        step.deploy(version, self.rollout, self.settings, Report("deploy"))

    def verify(self, version: str) -> None:
        step.verify(version, self.rollout, self.settings, Report("verify"))

    def promote(self, version: str) -> Report:
        report = Report("promote")
        step.promote(version, self.rollout, self.settings, report)
        return report

    def release(self, version: str) -> Endpoint:
        """Deploy, verify and promote a version."""
        self.deploy(version)
        self.verify(version)
        self.promote(version)
        return self.endpoint()

    def version(self, number: str) -> Version:
        return self.registry.version(number)

    def bundle(self, number: str) -> Bundle:
        return BundleStore(self.settings.bundle_store).get(self.version(number).bundle_uri)

    def bundles(self, *numbers: str) -> dict[str, Bundle]:
        return {number: self.bundle(number) for number in numbers}

    def production(self) -> str:
        found = self.registry.production()
        return found.number if found else ""

    def endpoint(self) -> Endpoint:
        found = EndpointFile(self.settings.state_dir).read()
        assert found is not None
        return found

    def stop(self) -> None:
        self.target.stop()
