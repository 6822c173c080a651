"""``python -m components --self-test``: take a small synthetic cohort through the steps.

An image runs it when it is built, so that one whose libraries are not all there, or do not work
together, never reaches a cluster. It needs no network and writes to a temporary folder alone.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from components.events import step
from components.settings import Settings, TargetName

_SOURCE = "synthetic:rows=4000&seed=1"
_TRIALS, _SECONDS = 3, 60.0
_LIBRARIES = ("kfp", "mlflow", "ray", "scikit-learn", "xgboost-cpu", "kubernetes")
_LAST = ("components.deployment.kserve.target", "components.notify.step", "psycopg2", "s3fs")
"""What only the last steps import: a release on a cluster, the summary, the stores."""


def self_test() -> str:
    """Ingest, encode, search, evaluate and store a bundle; return a line that says with what.

    Raises:
        HealthPredictError: a step refused what the one before it wrote, or the bundle that came
            back from the store scores otherwise than it did in training.
    """
    for module in _LAST:
        import_module(module)
    with tempfile.TemporaryDirectory(prefix="self-test-") as folder:
        auc, difference = _steps(Path(folder), _settings(Path(folder)))
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"self-test: AUC {auc:.2f}, largest difference {difference:.0e}; {libraries}"


def _settings(folder: Path) -> Settings:
    return Settings(
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        artifact_uri=(folder / "artifacts").as_uri(),
        bundle_store=(folder / "bundles").as_uri(),
        data_prefix=(folder / "data").as_uri(),
        state_dir=folder / "state",
        deploy_target=TargetName.KSERVE,
        run_id="self-test",
        min_free_mb=0,
        tune_cpus=1,
    )


def _steps(folder: Path, settings: Settings) -> tuple[float, float]:
    train, validation, test = _ingest(folder, settings)
    run = _train(folder, train, validation, settings)
    return _evaluate(folder, test, run, settings), _store(folder, settings)


def _ingest(folder: Path, settings: Settings) -> tuple[str, str, str]:
    from components.ingest.step import IngestOutputs, run

    names = ("reference", "batch", "train", "validation", "test", "quarantine", "quality")
    outputs = IngestOutputs(*(str(folder / name) for name in names))
    with step("ingest") as report:
        run(_SOURCE, "", 0, 0.01, outputs, settings, report)
    return outputs.train, outputs.validation, outputs.test


def _train(folder: Path, train: str, validation: str, settings: Settings) -> str:
    from components.features.step import run as encode
    from components.tuning.search import Budget
    from components.tuning.step import Plan, run
    from components.tuning.threshold import ThresholdRule

    with step("features") as report:
        encode(train, validation, "any", 0.75, str(folder / "matrices"), report)
    plan = Plan(Budget(_TRIALS, _SECONDS), 7, ThresholdRule.parse("best_f1"), "", None)
    with step("tune") as report:
        made = (str(folder / name) for name in ("matrices", "candidate", "trials.md"))
        matrices, bundle, table = made
        return run(matrices, plan, bundle, table, settings, report)


def _evaluate(folder: Path, test: str, mlflow_run: str, settings: Settings) -> float:
    from components.evaluation.rules import GateRules
    from components.evaluation.step import run

    outputs = (str(folder / "report.html"), str(folder / "evaluation.json"))
    # Whether it may be promoted is not asked here.
    rules = GateRules(
        min_auc=0.5,
        min_f1_gain=0.0,
        min_slope=0.8,
        max_slope=1.25,
        max_intercept=0.5,
        max_latency_ms=20.0,
        max_auc_drop=0.005,
        max_subgroup_drop=0.05,
        allow_synthetic=False,
        force=False,
    )
    with step("evaluate") as report:
        found = run(test, str(folder / "candidate"), mlflow_run, rules, outputs, settings, report)
    return found.candidate.auc


def _store(folder: Path, settings: Settings) -> float:
    from components.registry.store import BundleStore

    store = BundleStore(settings.bundle_store)
    return store.get(store.put(folder / "candidate")).replay_golden()
