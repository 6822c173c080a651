"""Measure the models by 5-fold cross-validation, no patient in two folds, beside plain baselines.

``make bench-models DATA=...`` fits every model on the same folds, for both targets, and prints the
mean AUC of the folds, the other metrics over all held-out rows, and the seconds of the fits.

The product's models have the parameters that its search starts from; how many rounds, trees or
passes they take is decided inside the training rows, on a fifth of their patients. The earlier
recipe drops weight, payer_code and medical_specialty, takes the text None for missing, and makes a
column of every value, raw ICD-9 codes among them, before it scales them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xgboost as xgb
from benching import markdown, read_file, usable
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from components.evaluation.metrics import Metrics, measure
from components.features.batch import encode_table
from components.features.fit import fit_encoder
from components.features.target import Target
from components.ingest.history import History
from components.ingest.split import spread
from components.ingest.synthetic import synthesise
from components.schema import encounter_schema
from components.tuning.export import predict
from components.tuning.families import families, family_named
from components.tuning.family import Family, Matrices

FOLDS = 5
SEED = 1
INNER_SHARE = 0.2
DROPPED = ("weight", "payer_code", "medical_specialty")
BEST, WITH_HISTORY = "product: xgboost", "product: xgboost with features_history"
GOALS = {
    (Target.ANY, BEST): ">= 0.705",
    (Target.ANY, WITH_HISTORY): ">= 0.710",
    (Target.WITHIN_30_DAYS, BEST): ">= 0.682",
    (Target.WITHIN_30_DAYS, WITH_HISTORY): ">= 0.693",
}

Labels = NDArray[np.int8]
Risks = NDArray[np.float64]
Model = Callable[[pa.Table, Labels, pa.Table], Risks]


@dataclass(frozen=True)
class Measured:
    """One model: AUC of each fold, metrics over all held-out rows, seconds of all fits."""

    aucs: list[float]
    metrics: Metrics
    seconds: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="csv or zip of encounters; else synthetic")
    parser.add_argument("--rows", type=int, default=100_000, help="of the synthetic cohort")
    options = parser.parse_args()
    every = usable(read_file(options.data) if options.data else synthesise(options.rows, seed=7))
    table = History().join(every.sort_by("encounter_id"))
    print(f"{table.num_rows:,} encounters\n")
    header = ("target", "model", "AUC (sd of folds)", "average precision", "Brier",
              "calibration slope", "ECE", "seconds", "AUC target")  # fmt: skip
    lines = []
    for target in Target:
        for name, model in models().items():
            print(f"{target.value}: {name}", file=sys.stderr, flush=True)
            found = cross_validated(model, table, target.labels(table))
            lines.append(_line(target, name, found, GOALS.get((target, name), "")))
    print(markdown(header, lines))
    return 0


def models() -> dict[str, Model]:
    """Return the models to measure, by name."""
    return {
        **{f"product: {family.name}": _product(family) for family in reversed(families())},
        WITH_HISTORY: _product(family_named("xgboost"), history=True),
        "XGBoost, its defaults, native categoricals": _defaults,
        "scikit-learn: one-hot, logistic regression": _sklearn,
        "the earlier recipe: raw one-hot, scaled, XGBoost": _earlier,
    }


def cross_validated(model: Model, table: pa.Table, labels: Labels) -> Measured:
    """Fit on all folds but one and score that one, for each."""
    patients = table["patient_nbr"].to_numpy()
    risks, aucs = np.empty(labels.size), []
    began = time.monotonic()
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, held in splitter.split(labels, labels, patients):
        risks[held] = model(table.take(train), labels[train], table.take(held))
        aucs.append(float(roc_auc_score(labels[held], risks[held])))
    seconds = time.monotonic() - began
    return Measured(aucs, measure(labels, risks, 0.5), seconds)


def _line(target: Target, name: str, found: Measured, goal: str) -> tuple[str, ...]:
    m = found.metrics
    return (
        target.value,
        name,
        f"{np.mean(found.aucs):.4f} ({np.std(found.aucs):.4f})",
        f"{m.average_precision:.4f}",
        f"{m.brier:.4f}",
        f"{m.calibration_slope:.2f}",
        f"{m.expected_calibration_error:.4f}",
        f"{found.seconds:.0f}",
        goal,
    )


def _product(family: Family, *, history: bool = False) -> Model:
    def model(train: pa.Table, labels: Labels, held: pa.Table) -> Risks:
        fitted = fit_encoder(train, labels, encounter_schema(history=history))
        x = fitted.encode_training(train)
        resource = _resource(family, x, labels, train["patient_nbr"].to_numpy())
        made = family.fit(family.start[0], resource, x, labels, SEED)
        return predict(made, encode_table(fitted.encoder, held))

    return model


def _resource(
    family: Family, x: NDArray[np.float32], y: Labels, patients: NDArray[np.int64]
) -> int:
    """Grow on four fifths of the patients until the last fifth's AUC has stopped rising."""
    later = spread(patients, draw=7) < INNER_SHARE
    data = Matrices(x[~later], y[~later], x[later], y[later], patients[~later], patients[later])
    best = (0, 0.0)
    for growth in family.grow(family.start[0], family.prepare(data), SEED):
        auc = float(roc_auc_score(data.y_validation, growth.probabilities))
        best = max(best, (growth.resource, auc), key=lambda point: point[1])
        if growth.resource - best[0] >= family.patience:
            break
    return best[0]


def _frame(table: pa.Table, dropped: tuple[str, ...] = ()) -> pd.DataFrame:
    names = [c.name for c in encounter_schema().features if c.name not in dropped]
    return table.select(names).to_pandas()


def _text(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]


def _defaults(train: pa.Table, labels: Labels, held: pa.Table) -> Risks:
    frame, other = _frame(train), _frame(held)
    for name in _text(frame):
        frame[name] = frame[name].astype("category")
        other[name] = other[name].astype(frame[name].dtype)
    model = xgb.XGBClassifier(enable_categorical=True).fit(frame, labels)
    return np.asarray(model.predict_proba(other)[:, 1], dtype=np.float64)


def _sklearn(train: pa.Table, labels: Labels, held: pa.Table) -> Risks:
    model = _one_hot(_frame(train), 20, LogisticRegression(max_iter=300))
    model.fit(_frame(train), labels)
    return np.asarray(model.predict_proba(_frame(held))[:, 1], dtype=np.float64)


def _earlier(train: pa.Table, labels: Labels, held: pa.Table) -> Risks:
    frame, other = (_frame(t, DROPPED).replace("None", "?") for t in (train, held))
    boosted = xgb.XGBClassifier(n_estimators=300, max_depth=6, learning_rate=0.1)
    model = _one_hot(frame, 1, boosted).fit(frame, labels)
    return np.asarray(model.predict_proba(other)[:, 1], dtype=np.float64)


def _one_hot(frame: pd.DataFrame, least_rows: int, model: Any) -> Pipeline:
    """Return a column of each value of at least so many rows, scaled, before a model."""
    text = _text(frame)
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=least_rows, dtype=np.float32
    )
    columns = ColumnTransformer(
        [("text", encoder, text), ("numbers", "passthrough", [n for n in frame if n not in text])],
        sparse_threshold=1.0,
    )
    return make_pipeline(columns, StandardScaler(with_mean=False), model)


if __name__ == "__main__":
    sys.exit(main())
