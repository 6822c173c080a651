"""The features step: fit the encoder on the training rows, encode training and validation rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.errors import InputError
from components.events import Report
from components.features.batch import encode_table
from components.features.fit import fit_encoder
from components.features.leaks import check_leaks
from components.features.target import Target
from components.ingest.split import spread
from components.ingest.tables import provenance_of, read_table
from components.schema import encounter_schema

ENCODER, FOLDS, FACTS = "encoder.json", "folds.json", "facts.json"
_SAMPLE_DRAW = 2


def run(
    train: str,
    validation: str,
    target: str,
    max_column_auc: float,
    folder: str,
    report: Report,
    *,
    history: bool = False,
    sample_rows: int = 0,
) -> None:
    """Write the encoder, the matrices and what they were made of into ``folder``.

    Args:
        train: path of the training rows; the only ones that the encoder is fitted on.
        validation: path of the validation rows.
        target: ``any`` or ``within_30_days``.
        max_column_auc: AUC that no single column may exceed on the training rows.
        folder: made by this step; holds ``encoder.json``, ``folds.json`` (the target statistics
            for training rows), ``facts.json``, ``train.npz`` and ``validation.npz`` with the
            arrays ``x`` (float32), ``y`` (int8) and ``patient`` (int64, numbers that count from 0:
            which rows belong together, and no identifier).
        report: takes the step's facts.
        history: use what is known of the patients' earlier encounters.
        sample_rows: about so many training rows are encoded, whole patients, and as large a share
            of the validation rows; 0 encodes all. The encoder is fitted on all of them anyway.

    Raises:
        InputError: the target is unknown, a table holds only one class, or a column leaks.
    """
    wanted, rows, later = Target.parse(target), read_table(train), read_table(validation)
    labels = _labels("train", rows, wanted)
    share = sample_rows / rows.num_rows if sample_rows else 1.0
    fitted = fit_encoder(rows, labels, encounter_schema(history=history))
    encoder, (rows, labels) = fitted.encoder, _sampled(rows, labels, share)
    matrix = fitted.encode_training(rows)
    strongest, auc = check_leaks(matrix, labels, encoder.outputs, max_column_auc)
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    (out / ENCODER).write_text(json.dumps(encoder.to_json()), "utf-8")
    (out / FOLDS).write_text(json.dumps([fold.to_json() for fold in fitted.folds]), "utf-8")
    facts = {
        "target": wanted.value,
        "history": history,
        "provenance": asdict(provenance_of(rows)),
    }
    (out / FACTS).write_text(json.dumps(facts), "utf-8")
    _save(out / "train.npz", rows, matrix, labels)
    later, judged = _sampled(later, _labels("validation", later, wanted), share)
    _save(out / "validation.npz", later, encode_table(encoder, later), judged)
    report.add(
        target=wanted.value,
        encoded_columns=encoder.width,
        strongest_column=strongest,
        strongest_column_auc=round(auc, 4),
    )


def _labels(name: str, table: pa.Table, target: Target) -> NDArray[np.int8]:
    labels = target.labels(table)
    if labels.min() == labels.max():
        raise InputError(f"{name}: all {labels.size} encounters have the same label")
    return labels


def _sampled(
    table: pa.Table, labels: NDArray[np.int8], share: float
) -> tuple[pa.Table, NDArray[np.int8]]:
    """Return the rows of a share of the patients."""
    if share >= 1:
        return table, labels
    drawn = spread(table["patient_nbr"].to_numpy(), _SAMPLE_DRAW) < share
    return table.filter(pa.array(drawn)), labels[drawn]


def _save(
    path: Path, table: pa.Table, matrix: NDArray[np.float32], labels: NDArray[np.int8]
) -> None:
    _, patient = np.unique(table["patient_nbr"].to_numpy(), return_inverse=True)
    np.savez(path, x=matrix, y=labels, patient=patient)
