"""Fit what the serving bench compares, on the same rows, and write the requests it sends.

``python -m bench.serving_setup FOLDER`` is a process of its own: the bench would otherwise share
pages of these libraries with the servers, whose memory it measures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import pyarrow as pa
import xgboost as xgb
from bench.serving_requests import write_requests
from bench.serving_targets import BUNDLE, PIPELINE, REQUESTS
from benching import read_file, usable
from fitted import fitted, training
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from components.features.target import Target
from components.ingest.synthetic import synthesise
from components.schema import Kind, encounter_schema
from components.tuning.boosting import XGBOOST

DROPPED = ("weight", "payer_code", "medical_specialty")
MOST_ROWS = 40_000
SEED = 7


def main() -> int:
    """Fit both models and write the requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=MOST_ROWS)
    given = parser.parse_args()
    every = read_file(given.data) if given.data else synthesise(given.rows, seed=SEED)
    table = usable(every).slice(0, min(given.rows, MOST_ROWS))
    fitted(XGBOOST.name, training(table), given.folder / BUNDLE)
    joblib.dump(_earlier(table), given.folder / PIPELINE)
    write_requests(table, given.folder / REQUESTS)
    return 0


def _earlier(table: pa.Table) -> Pipeline:
    """Fit the earlier system's kind of pipeline on a frame of the same rows."""
    columns = [c for c in encounter_schema().features if c.name not in DROPPED]
    numbers = [column.name for column in columns if column.kind is Kind.NUMBER]
    values = [column.name for column in columns if column.kind is not Kind.NUMBER]
    prepare = ColumnTransformer(
        [
            ("values", OneHotEncoder(handle_unknown="ignore"), values),
            ("numbers", StandardScaler(), numbers),
        ]
    )
    pipeline = make_pipeline(prepare, xgb.XGBClassifier(n_estimators=300, max_depth=6))
    return pipeline.fit(table.to_pandas(), Target.ANY.labels(table))


if __name__ == "__main__":
    sys.exit(main())
