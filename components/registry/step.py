"""The register step: store the candidate bundle and give it a version."""

from __future__ import annotations

import json
from pathlib import Path

from components.events import Report
from components.registry.bundle import load_bundle
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.settings import Settings


def run(bundle: str, mlflow_run: str, metrics: str, settings: Settings, report: Report) -> str:
    """Store the bundle under its content address and register it as ``candidate``.

    Args:
        bundle: folder of the candidate bundle.
        mlflow_run: the run that made it.
        metrics: path of the evaluation's JSON, recorded on the version.
        settings: where the registry and the store are.
        report: takes the step's facts.

    Returns:
        The version's number.
    """
    facts = load_bundle(Path(bundle)).facts
    uri = BundleStore(settings.bundle_store).put(Path(bundle))
    evaluated = json.loads(Path(metrics).read_text("utf-8"))
    tags = {
        "bundle": uri.rsplit("sha256-", 1)[1],
        "family": facts.family,
        "target": facts.target,
        "source": facts.source,
        "data_sha256": facts.data_sha256,
        "synthetic": str(facts.synthetic).lower(),
        "batch": str(facts.batch),
        "run_id": settings.run_id,
        "commit": facts.commit,
        "reasons": "; ".join(evaluated["reasons"]),
        **{f"metric.{name}": f"{value:.6f}" for name, value in evaluated["candidate"].items()},
    }
    version = Registry(settings).register(uri, mlflow_run, tags)
    report.add(version=version.number, bundle_uri=uri)
    return version.number
