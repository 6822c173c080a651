"""The features step: fit the encoder on the training rows, encode training and validation rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.errors import InputError
from components.events import Report
from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.features.fit import fit_encoder
from components.features.target import Target
from components.ingest.tables import provenance_of, read_table
from components.schema import encounter_schema

ENCODER, FACTS = "encoder.json", "facts.json"


def run(train: str, validation: str, target: str, folder: str, report: Report) -> None:
    """Write the encoder, the matrices and what they were made of into ``folder``.

    Args:
        train: path of the training rows; the only ones that the encoder is fitted on.
        validation: path of the validation rows.
        target: ``any`` or ``within_30_days``.
        folder: made by this step; holds ``encoder.json``, ``facts.json``, ``train.npz`` and
            ``validation.npz`` with the arrays ``x`` (float32), ``y`` (int8) and ``patient``
            (int64, numbers that count from 0: which rows belong together, and no identifier).
        report: takes the step's facts.

    Raises:
        InputError: the target is unknown, or a table holds only one class.
    """
    wanted, rows = Target.parse(target), read_table(train)
    encoder = fit_encoder(rows, encounter_schema())
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    (out / ENCODER).write_text(json.dumps(encoder.to_json()), "utf-8")
    facts = {"target": wanted.value, "provenance": asdict(provenance_of(rows))}
    (out / FACTS).write_text(json.dumps(facts), "utf-8")
    _save(out / "train.npz", encoder, rows, wanted)
    _save(out / "validation.npz", encoder, read_table(validation), wanted)
    report.add(target=wanted.value, encoded_columns=encoder.width)


def _save(path: Path, encoder: Encoder, table: pa.Table, target: Target) -> None:
    labels = target.labels(table)
    if labels.min() == labels.max():
        raise InputError(f"{path.stem}: all {labels.size} encounters have the same label")
    _, patient = np.unique(table["patient_nbr"].to_numpy(), return_inverse=True)
    np.savez(path, x=encode_table(encoder, table), y=labels, patient=patient)
