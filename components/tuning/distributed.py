"""The final fit on more rows than one process should hold: Ray Data encodes, Ray Train fits.

The rows go from this step to the workers as raw Arrow tables, a tenth of their encoded size, so
that the workers need no access to the step's files. Each worker keeps its share of the rows
binned, and XGBoost sums the histograms of all of them in every round.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray.data
import xgboost as xgb
from numpy.typing import NDArray
from ray import train
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.features.fit import Fitted
from components.features.step import ENCODER, FOLDS
from components.features.target import LABEL, Target
from components.tuning.boosting import BINS, settings
from components.tuning.family import Parameters

_BLOCK_ROWS = 1 << 16
_BATCH_ROWS = 1 << 15
# A worker waits while its rows are encoded, and the encoding is over when it fits: each asks for
# half a core, or neither would ever start beside the other.
_HALF_A_CORE = 0.5


@dataclass(frozen=True)
class Tables:
    """Raw training and validation rows, the features step's folder, and what is predicted."""

    train: str
    validation: str
    fitted: Path
    target: Target

    @property
    def rows(self) -> int:
        """Number of rows of both."""
        return sum(pq.read_metadata(path).num_rows for path in (self.train, self.validation))


def fit_distributed(
    parameters: Parameters, rounds: int, tables: Tables, seed: int, workers: int, scratch: Path
) -> xgb.Booster:
    """Fit XGBoost on training and validation rows with ``workers`` processes of one core each.

    A Ray runtime must be up. The rows that a worker draws for a tree depend on its share, so that
    the model is not bit for bit that of one process.
    """
    fitted = read_fitted(tables.fitted)
    own, later = (
        ray.data.from_arrow(list(_blocks(path, fitted.encoder))).map_batches(
            _encoded,
            fn_kwargs={"fitted": fitted, "target": tables.target, "out_of_fold": out_of_fold},
            batch_format="pyarrow",
            batch_size=None,
            num_cpus=_HALF_A_CORE,
        )
        for path, out_of_fold in ((tables.train, True), (tables.validation, False))
    )
    trainer = XGBoostTrainer(
        _train,
        train_loop_config={"settings": settings(parameters, seed, threads=1), "rounds": rounds},
        scaling_config=train.ScalingConfig(
            num_workers=workers, resources_per_worker={"CPU": _HALF_A_CORE}
        ),
        run_config=train.RunConfig(name="fit", storage_path=str(scratch)),
        datasets={"rows": own.union(later)},
    )
    result = trainer.fit()
    return RayTrainReportCallback.get_model(result.checkpoint)


def read_fitted(folder: Path) -> Fitted:
    """Read the encoders that the features step wrote."""
    encoder, folds = (json.loads((folder / name).read_text("utf-8")) for name in (ENCODER, FOLDS))
    return Fitted(Encoder.from_json(encoder), tuple(Encoder.from_json(fold) for fold in folds))


def _blocks(path: str, encoder: Encoder) -> Iterator[pa.Table]:
    """Yield a table's rows piece by piece, only the columns that are read."""
    names = [*sorted(encoder.sources), "patient_nbr", LABEL]
    for batch in pq.ParquetFile(path).iter_batches(_BLOCK_ROWS, columns=names):
        yield pa.Table.from_batches([batch])


def _encoded(
    block: pa.Table, fitted: Fitted, target: Target, out_of_fold: bool
) -> dict[str, NDArray[Any]]:
    """Encode a block in a worker process."""
    x = fitted.encode_training(block) if out_of_fold else encode_table(fitted.encoder, block)
    return {"x": x, "y": target.labels(block)}


class _Batches(xgb.DataIter):
    """Hands a worker's batches to XGBoost, which keeps them binned, a byte a value.

    XGBoost reads them some times over; each time they are encoded anew, since twice the work costs
    less than four times the memory.
    """

    def __init__(self, shard: ray.data.DataIterator) -> None:
        super().__init__()
        self._shard = shard
        self._batches: Iterator[dict[str, NDArray[Any]]] = iter(())

    def reset(self) -> None:
        self._batches = iter(self._shard.iter_batches(batch_size=_BATCH_ROWS, batch_format="numpy"))

    def next(self, input_data: Any) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        input_data(data=batch["x"], label=batch["y"])
        return True


def _train(config: dict[str, Any]) -> None:
    batches = _Batches(train.get_dataset_shard("rows"))
    matrix = xgb.QuantileDMatrix(batches, max_bin=BINS, nthread=1)
    booster = xgb.train(config["settings"], matrix, config["rounds"])
    # Once at the end: Ray's own callback reports every round, which costs a second each.
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(Path(folder) / RayTrainReportCallback.CHECKPOINT_NAME)
        first = train.get_context().get_world_rank() == 0
        checkpoint = train.Checkpoint.from_directory(folder) if first else None
        train.report({}, checkpoint=checkpoint)
