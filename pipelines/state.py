"""Where a laptop's runs, registry, bundles and servers live: one folder, ``.health-predict/``."""

from __future__ import annotations

import datetime
import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from components.events import EVENTS_FILE
from components.settings import Settings, TargetName, read_settings

DEFAULT = Path(".health-predict")
PREFIX = "HEALTH_PREDICT_"

LIBRARIES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # XGBoost's threads spin while they wait for each other: beside one busy process a fit on two
    # cores takes four times as long as on a quiet machine, and less than twice without spinning.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""How libraries behave in a run: nothing is sent home, no table printed, no core kept waiting."""

_SETTINGS = (
    "tracking_uri", "artifact_uri", "bundle_store", "data_prefix", "state_dir", "deploy_target",
    "run_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's name, which begins with its start time."""
        return self.path.name

    @property
    def events(self) -> Path:
        """What the steps said, a JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """Everything that the steps printed."""
        return self.path / "log"

    @property
    def arguments(self) -> Path:
        """The pipeline's arguments."""
        return self.path / "arguments.json"

    @property
    def pipeline(self) -> Path:
        """The compiled pipeline that was run."""
        return self.path / "pipeline.yaml"

    @property
    def result(self) -> Path:
        """How the run stands or ended."""
        return self.path / "run.json"


@dataclass(frozen=True, slots=True)
class State:
    """The state folder; ``root`` is absolute."""

    root: Path

    @classmethod
    def at(cls, folder: Path) -> State:
        """Open a state folder, and make it when it is absent."""
        root = folder.resolve()
        root.mkdir(parents=True, exist_ok=True)
        return cls(root)

    @property
    def lock(self) -> Path:
        """Held by the run in progress."""
        return self.root / "run.lock"

    @property
    def tracking_uri(self) -> str:
        """MLflow's store."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def has_registry(self) -> bool:
        """Whether there is a registry to ask: none is made by asking."""
        named = bool(os.environ.get(f"{PREFIX}TRACKING_URI"))
        return named or (self.root / "mlflow.db").exists()

    def new_run(self) -> RunFolder:
        """Make the folder of a new run."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        folder = RunFolder(self.root / "runs" / f"run-{now}-{secrets.token_hex(2)}")
        (folder.path / "tmp").mkdir(parents=True)
        return folder

    def runs(self) -> list[RunFolder]:
        """Return all runs, oldest first."""
        folders = sorted((self.root / "runs").glob("run-*"))
        return [RunFolder(path) for path in folders]

    def settings(self, run_id: str) -> Settings:
        """Return the settings under which this folder's steps run.

        The environment may name other places than this folder: ``HEALTH_PREDICT_TRACKING_URI`` an
        MLflow server, ``HEALTH_PREDICT_BUNDLE_STORE`` a bucket, ``HEALTH_PREDICT_DEPLOY_TARGET``
        a cluster.

        Raises:
            InputError: a value is malformed.
        """
        own = {
            "tracking_uri": self.tracking_uri,
            "artifact_uri": (self.root / "mlartifacts").as_uri(),
            "bundle_store": (self.root / "bundles").as_uri(),
            "data_prefix": (self.root / "data").as_uri(),
            "deploy_target": TargetName.LOCAL.value,
        }
        given = {name: os.environ.get(f"{PREFIX}{name.upper()}") or own[name] for name in own}
        return read_settings(**given, state_dir=self.root, run_id=run_id)

    def environment(self, run_id: str) -> dict[str, str]:
        """Return the same settings as environment variables."""
        given = self.settings(run_id)
        return {f"{PREFIX}{name.upper()}": str(getattr(given, name)) for name in _SETTINGS}

    def run_environment(self, run: RunFolder, port: int, ray_folder: str) -> dict[str, str]:
        """Return the whole environment of a run's process.

        Args:
            run: the run's folder.
            port: of the canary; 0 for any free one.
            ray_folder: a short path for Ray's files: a socket's has room for 100 characters.
        """
        return {
            **os.environ,
            **LIBRARIES,
            "RAY_TMPDIR": ray_folder,
            **self.environment(run.run_id),
            EVENTS_FILE: str(run.events),
            "TMPDIR": str(run.path / "tmp"),
            f"{PREFIX}DEPLOY_PORT": str(port),
            f"{PREFIX}COMMIT": _commit(),
        }


def _commit() -> str:
    """Return the commit of the code that runs, or ``unknown`` outside a checkout."""
    asked = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"
