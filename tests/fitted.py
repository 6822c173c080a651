"""A fitted model of each family, and the bundle that the tune step would write of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from benching import usable
from builders import facts
from threadpoolctl import threadpool_limits

from components.features.encoder import Encoder
from components.features.fit import fit_encoder
from components.features.target import Target
from components.ingest.synthetic import synthesise
from components.registry.bundle import Bundle, load_bundle, write_bundle
from components.registry.calibration import Calibration
from components.schema import encounter_schema
from components.tuning.explainer import explainer
from components.tuning.export import export
from components.tuning.families import family_named
from components.tuning.family import Labels, Matrix

REALISTIC = {"logistic_regression": 60, "random_forest": 200, "xgboost": 400}
"""Passes, trees and rounds that a search's winner has."""

_GOLDEN_ROWS = 32
_SEED = 7


@dataclass(frozen=True)
class Training:
    """What every family is fitted on: encoded encounters, their labels, and the encoder."""

    encoder: Encoder
    x: Matrix
    y: Labels


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and the bundle of it as a server loads it from its folder."""

    model: Any
    bundle: Bundle
    folder: Path


def training(table: pa.Table) -> Training:
    """Fit the encoder on the encounters that did not end in death or hospice, and encode them."""
    rows = usable(table)
    labels = Target.ANY.labels(rows)
    made = fit_encoder(rows, labels, encounter_schema())
    return Training(made.encoder, made.encode_training(rows), labels)


def fitted(
    family: str,
    on: Training,
    folder: Path,
    *,
    resource: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    calibration: Calibration | None = None,
) -> Fitted:
    """Fit a family, in its realistic size unless told otherwise, and write and load its bundle."""
    chosen, size = family_named(family), resource or REALISTIC[family]
    with threadpool_limits(1):  # on a busy machine XGBoost's threads wait for each other, busily
        model = chosen.fit(parameters or chosen.start[0], size, on.x, on.y, _SEED)
    bundle = Bundle(
        encounter_schema(),
        on.encoder,
        facts(on.y.size, family),
        export(model, on.x),
        calibration=calibration,
        explainer=explainer(model, on.x),
    )
    write_bundle(bundle, raw_rows(synthesise(_GOLDEN_ROWS, _SEED)), folder)
    return Fitted(model, load_bundle(folder), folder)


def raw_rows(table: pa.Table) -> list[dict[str, int | str]]:
    """Return encounters as a request holds them: the feature columns alone."""
    names = [column.name for column in encounter_schema().features]
    rows: list[dict[str, int | str]] = table.select(names).to_pylist()
    return rows
