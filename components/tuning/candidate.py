"""The winner as a candidate bundle: refitted on training and validation rows, and exported."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from components.features.encoder import Encoder
from components.features.step import ENCODER
from components.ingest.history import History
from components.ingest.synthetic import synthesise
from components.registry.bundle import Bundle, Facts, write_bundle
from components.schema import Schema, encounter_schema
from components.tuning.choice import Winner
from components.tuning.explainer import explainer
from components.tuning.export import export
from components.tuning.families import family_named
from components.tuning.family import Matrix, Rows

GOLDEN_ROWS = 64
_LIBRARIES = ("numpy", "onnxruntime", "scikit-learn", "skl2onnx", "onnxmltools", "xgboost-cpu")


@dataclass(frozen=True)
class Origin:
    """Where a candidate comes from: the features step's folder and facts, and the pipeline run."""

    folder: Path
    facts: Mapping[str, Any]
    run_id: str


@dataclass(frozen=True)
class Refit:
    """The winner fitted again, and how many rows it was fitted on."""

    model: Any
    rows: int


def refit(winner: Winner, rows: Rows, seed: int) -> Refit:
    """Fit the winner on training and validation rows."""
    trial = winner.trial
    family = family_named(trial.family)
    return Refit(family.fit(trial.parameters, trial.best[0], rows.x, rows.y, seed), rows.y.size)


def write_candidate(
    winner: Winner, made: Refit, x: Matrix, origin: Origin, seed: int, bundle: Path
) -> str:
    """Write the winner's bundle; its exports must agree with the model on the rows of ``x``.

    Returns:
        The bundle's digest.
    """
    schema = encounter_schema(history=origin.facts["history"])
    whole = Bundle(
        schema,
        Encoder.from_json(json.loads((origin.folder / ENCODER).read_text("utf-8"))),
        _facts(winner, made.rows, origin),
        export(made.model, x),
        calibration=winner.calibrated.calibration,
        explainer=explainer(made.model, x),
    )
    return write_bundle(whole, _golden_rows(schema, seed), bundle)


def _facts(winner: Winner, rows: int, origin: Origin) -> Facts:
    provenance = origin.facts["provenance"]
    return Facts(
        target=origin.facts["target"],
        threshold=winner.threshold,
        family=winner.trial.family,
        parameters={**winner.trial.parameters, "resource": winner.trial.best[0]},
        source=provenance["source"],
        synthetic=provenance["synthetic"],
        data_sha256=provenance["sha256"],
        rows=rows,
        batch=provenance["batch"],
        run_id=origin.run_id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        commit=os.environ.get("HEALTH_PREDICT_COMMIT", "unknown"),
        libraries={name: metadata.version(name) for name in _LIBRARIES},
    )


def _golden_rows(schema: Schema, seed: int) -> list[dict[str, int | str]]:
    """Take synthetic encounters, so that no patient travels with the model."""
    names = [column.name for column in schema.features]
    table = History().join(synthesise(GOLDEN_ROWS, seed).sort_by("encounter_id"))
    rows: list[dict[str, int | str]] = table.select(names).to_pylist()
    return rows
