"""The register step: store the candidate bundle and give it a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.events import Report
from components.registry.bundle import Bundle, load_bundle
from components.registry.models import COMPARED_WITH, RUN_ID, Registry
from components.registry.signature import signature_json
from components.registry.store import BundleStore
from components.settings import Settings


def run(bundle: str, mlflow_run: str, metrics: str, settings: Settings, report: Report) -> str:
    """Store the bundle under its content address and register it as ``candidate``.

    A step that was killed may run again: it ends with the same version.

    Args:
        bundle: folder of the candidate bundle.
        mlflow_run: the run that made it.
        metrics: path of the evaluation's JSON, recorded on the version.
        settings: where the registry and the store are.
        report: takes the step's facts.

    Returns:
        The version's number.
    """
    candidate, evaluated = load_bundle(Path(bundle)), json.loads(Path(metrics).read_text("utf-8"))
    uri = BundleStore(settings.bundle_store).put(Path(bundle))
    tags = {RUN_ID: settings.run_id, **_made_of(candidate), **_judged(evaluated)}
    version = Registry(settings).register(uri, mlflow_run, tags)
    report.add(version=version.number, bundle_uri=uri)
    return version.number


def _made_of(bundle: Bundle) -> dict[str, str]:
    """Return what a version says of its bundle: content, signature, data and code."""
    facts = bundle.facts
    return {
        "bundle": bundle.digest,
        "signature": signature_json(bundle.schema),
        "family": facts.family,
        "target": facts.target,
        "source": facts.source,
        "data_sha256": facts.data_sha256,
        "rows": str(facts.rows),
        "batch": str(facts.batch),
        "synthetic": str(facts.synthetic).lower(),
        "commit": facts.commit,
    }


def _judged(evaluated: Mapping[str, Any]) -> dict[str, str]:
    """Return what a version says of the gate: metrics with their baselines, decision, lineage."""
    return {
        "gate.decision": "promote" if evaluated["promote"] else "refuse",
        "gate.forced": str(evaluated.get("forced", False)).lower(),
        "reasons": "; ".join(evaluated["reasons"]),
        COMPARED_WITH: evaluated["production_version"],
        **{f"metric.{name}": f"{value:.6f}" for name, value in evaluated["candidate"].items()},
    }
