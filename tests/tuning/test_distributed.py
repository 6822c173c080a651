from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from components.events import Report
from components.features import step as features
from components.features.batch import encode_table
from components.features.target import Target
from components.ingest.split import spread
from components.ingest.synthetic import synthesise
from components.ingest.tables import Provenance, write_table
from components.registry.bundle import load_bundle
from components.settings import Settings
from components.tuning import step as tuning
from components.tuning.boosting import XGBOOST
from components.tuning.distributed import Tables, fit_distributed, read_fitted
from components.tuning.export import predict
from components.tuning.runtime import ray_runtime
from components.tuning.search import Budget
from components.tuning.threshold import Rule, ThresholdRule

# Ray Data's context warns of its own deprecated defaults.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*is deprecated:DeprecationWarning:ray.data.context"
)

ROWS, SAMPLE_ROWS, ROUNDS, SEED = 6000, 1500, 60, 3


@pytest.fixture(scope="module")
def sides() -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return training, validation and held-out encounters; no patient is in two."""
    table = synthesise(ROWS, seed=4)
    place = spread(table["patient_nbr"].to_numpy())
    cuts = (place < 0.6, (place >= 0.6) & (place < 0.8), place >= 0.8)
    train, validation, held = (table.filter(pa.array(cut)) for cut in cuts)
    return train, validation, held


@pytest.fixture(scope="module")
def tables(
    sides: tuple[pa.Table, pa.Table, pa.Table], tmp_path_factory: pytest.TempPathFactory
) -> Tables:
    folder = tmp_path_factory.mktemp("tables")
    provenance = Provenance("synthetic:rows=6000", "0" * 64, ROWS, synthetic=True, batch=0)
    paths = [str(folder / name) for name in ("train", "validation")]
    for path, table in zip(paths, sides, strict=False):
        write_table(table, path, provenance)
    out, report = str(folder / "matrices"), Report("features")
    features.run(paths[0], paths[1], "any", 0.8, out, report, sample_rows=SAMPLE_ROWS)
    return Tables(paths[0], paths[1], folder / "matrices", Target.ANY)


def test_the_sample_holds_whole_patients_and_about_so_many_rows(
    tables: Tables, sides: tuple[pa.Table, pa.Table, pa.Table]
) -> None:
    with np.load(tables.fitted / "train.npz") as found:
        rows, patients = found["x"].shape[0], np.unique(found["patient"]).size
    assert rows == pytest.approx(SAMPLE_ROWS, rel=0.15)
    every = np.unique(sides[0]["patient_nbr"].to_numpy()).size
    assert patients == pytest.approx(every * SAMPLE_ROWS / sides[0].num_rows, rel=0.1)


def test_two_workers_fit_what_one_process_does(
    tables: Tables, sides: tuple[pa.Table, pa.Table, pa.Table], tmp_path: Path
) -> None:
    train, validation, held = sides
    fitted = read_fitted(tables.fitted)
    parameters = {**XGBOOST.start[0], "subsample": 1.0, "colsample_bytree": 1.0}
    with ray_runtime(2, None):
        made = fit_distributed(parameters, ROUNDS, tables, SEED, 2, tmp_path)
    x = np.concatenate([fitted.encode_training(train), encode_table(fitted.encoder, validation)])
    y = np.concatenate([Target.ANY.labels(train), Target.ANY.labels(validation)])
    whole = XGBOOST.fit(parameters, ROUNDS, x, y, SEED)
    later, labels = encode_table(fitted.encoder, held), Target.ANY.labels(held)
    found, expected = predict(made, later), predict(whole, later)
    assert np.abs(found - expected).mean() < 0.01  # the bins' edges are sketched apart
    difference = roc_auc_score(labels, found) - roc_auc_score(labels, expected)
    assert abs(difference) < 0.01
    assert made.num_boosted_rounds() == ROUNDS


def test_the_step_searches_the_sample_and_fits_the_winner_on_every_row(
    tables: Tables, tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    plan = tuning.Plan(
        Budget(2, 100.0),
        SEED,
        ThresholdRule(Rule.BEST_F1),
        tables=(tables.train, tables.validation),
    )
    report, bundle = Report("tune"), tmp_path / "bundle"
    outputs = str(bundle), str(tmp_path / "trials.md")
    tuning.run(str(tables.fitted), plan, *outputs, settings(tune_cpus=2), report)
    made = load_bundle(bundle)
    assert report.facts["family"] == made.facts.family == "xgboost"
    assert made.facts.rows == tables.rows > SAMPLE_ROWS
    assert made.replay_golden() < 1e-6
