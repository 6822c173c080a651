"""What is served is what was trained, however the encounters are cut into requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from fitted import REALISTIC, Training, fitted, raw_rows, training

from components.features.batch import encode_table
from components.ingest.synthetic import synthesise
from components.tuning.export import predict
from components.tuning.family import Matrix, Probabilities
from serving.payload import CHUNK
from serving.runtime import MANY_ROWS, Runtime

ENCOUNTERS = 100_000
ALONE = 3_000
PARITY = 1e-6


@dataclass(frozen=True)
class Both:
    """What a server scores with, encoded encounters, and the trained model's own risks of them."""

    runtime: Runtime
    matrix: Matrix
    own: Probabilities

    def difference(self, size: int, encounters: int = ENCOUNTERS) -> float:
        """Score so many rows a call; return the largest difference from the trained model."""
        parts = [
            self.runtime.score(self.matrix[at : at + size]) for at in range(0, encounters, size)
        ]
        found = np.concatenate(parts)
        assert found.shape == (encounters,)
        return float(np.abs(found - self.own[:encounters]).max())


@pytest.fixture(scope="module")
def on() -> Training:
    return training(synthesise(20_000, seed=50))


@pytest.fixture(scope="module")
def matrix(on: Training) -> Matrix:
    """Return encounters that no model was fitted on; the first are encoded as requests are."""
    table = synthesise(ENCOUNTERS, seed=51)
    encoded = encode_table(on.encoder, table)
    alone = [on.encoder.encode_row(row) for row in raw_rows(table.slice(0, ALONE))]
    return np.concatenate([np.stack(alone), encoded[ALONE:]])


@pytest.fixture(scope="module", params=REALISTIC)
def both(
    request: pytest.FixtureRequest,
    on: Training,
    matrix: Matrix,
    tmp_path_factory: pytest.TempPathFactory,
) -> Both:
    made = fitted(request.param, on, tmp_path_factory.mktemp(request.param))
    return Both(Runtime(made.bundle), matrix, predict(made.model, matrix))


def test_single_rows_get_the_trained_models_risks(both: Both) -> None:
    assert both.difference(1, ALONE) < PARITY
    assert np.ptp(both.own[:ALONE]) > 0.4


@pytest.mark.parametrize("size", [MANY_ROWS - 1, CHUNK, ENCOUNTERS])
def test_rows_of_a_request_get_the_trained_models_risks(both: Both, size: int) -> None:
    assert both.difference(size) < PARITY
