"""The bundle: everything that turns a raw encounter into a risk, in one immutable directory.

It holds plain JSON, one ONNX graph and at times the trees that explain it: no pickle, no code. This
module is its only loader; a file that is missing, added or altered raises, nothing is repaired or
padded. A bundle of format 1 is read as one whose probabilities need no calibration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import BundleError, InputError
from components.features.encoder import Encoder
from components.features.row import Row
from components.registry.calibration import Calibration
from components.registry.files import CALIBRATION, EXPLAINER, encode, read_files, write_files
from components.registry.session import open_session
from components.schema import Schema

TOLERANCE = 1e-6
"""Largest difference allowed between a golden row's stored and replayed probability."""


@dataclass(frozen=True)
class Facts:
    """Where a model came from and how its probability becomes a class.

    Attributes:
        target: ``any`` or ``within_30_days``.
        threshold: probability from which an encounter counts as readmitted.
        family: ``logistic_regression``, ``random_forest`` or ``xgboost``.
        parameters: hyperparameters of the search's winner.
        source: the URI of the data; ``synthetic`` says whether it is a synthetic cohort.
        data_sha256: digest of the raw file's bytes.
        rows: training rows.
        batch: number of the newest batch trained on; 0 is the initial training.
        run_id: the pipeline run that made the bundle.
        created: UTC time, ISO 8601.
        commit: git commit of the code, or ``unknown``.
        libraries: versions of the libraries that fitted and exported the model.
    """

    target: str
    threshold: float
    family: str
    parameters: Mapping[str, float | int | str]
    source: str
    synthetic: bool
    data_sha256: str
    rows: int
    batch: int
    run_id: str
    created: str
    commit: str
    libraries: Mapping[str, str]


@dataclass(frozen=True)
class Golden:
    """Encounters with the probabilities that the bundle gave when it was written.

    The encounters are synthetic: a bundle carries no patient.
    """

    rows: tuple[Mapping[str, int | str], ...]
    probabilities: tuple[float, ...]


class Bundle:
    """A loaded bundle that scores raw encounters.

    Its attributes are the parts it was made of; ``explainer`` is a model of XGBoost's own format
    for explanations, or ``None``, and never scores.
    """

    def __init__(
        self,
        schema: Schema,
        encoder: Encoder,
        facts: Facts,
        model: bytes,
        *,
        digest: str = "",
        golden: Golden | None = None,
        calibration: Calibration | None = None,
        explainer: bytes | None = None,
        threads: int = 1,
    ) -> None:
        self.schema = schema
        self.encoder = encoder
        self.facts = facts
        self.digest = digest
        self.golden = golden or Golden((), ())
        self.model = model
        self.calibration = calibration or Calibration()
        self.explainer = explainer
        self._session = open_session(model, threads)
        self._input = self._session.get_inputs()[0].name
        _check_fit(self._session, encoder, schema)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probability for each encoded row; shape ``(rows,)``."""
        probabilities = self._session.run(["probabilities"], {self._input: matrix})[0]
        return self.calibration.apply(np.asarray(probabilities[:, 1], dtype=np.float64))

    def score_rows(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Return the probability of readmission for each raw encounter; shape ``(rows,)``."""
        return self.score(self.encoder.encode_rows(rows))

    def replay_golden(self) -> float:
        """Score the golden rows again.

        Returns:
            The largest absolute difference from the stored probabilities.

        Raises:
            BundleError: there are no golden rows, or they differ by more than ``TOLERANCE``.
        """
        if not self.golden.rows:
            raise BundleError("bundle: it holds no golden rows, so nothing proves its numbers")
        try:
            replayed = self.score_rows(self.golden.rows)
        except (InputError, KeyError) as error:
            raise BundleError(f"bundle: a golden row does not fit its schema: {error}") from error
        difference = float(np.abs(replayed - np.array(self.golden.probabilities)).max())
        if not difference <= TOLERANCE:  # a NaN fails too
            raise BundleError(
                f"bundle {self.digest[:12]}: golden rows differ by {difference:.2e} "
                f"(allowed {TOLERANCE:.0e}); this runtime does not reproduce the trained model"
            )
        return difference


def write_bundle(bundle: Bundle, rows: Sequence[Row], directory: Path) -> str:
    """Write a bundle with golden ``rows`` into a new directory.

    Returns:
        The digest: sha256 of the manifest, which holds the sha256 of every other file.
    """
    return write_files(_contents(bundle, rows), directory)


def _contents(bundle: Bundle, rows: Sequence[Row]) -> dict[str, bytes]:
    probabilities = bundle.score_rows(rows).tolist()
    contents = {
        "schema.json": encode(bundle.schema.to_json()),
        "encoder.json": encode(bundle.encoder.to_json()),
        "facts.json": encode(asdict(bundle.facts)),
        "golden.json": encode({"rows": [dict(r) for r in rows], "probabilities": probabilities}),
        "model.onnx": bundle.model,
        CALIBRATION: encode(bundle.calibration.to_json()),
    }
    return contents if bundle.explainer is None else {**contents, EXPLAINER: bundle.explainer}


def load_bundle(directory: Path, *, threads: int = 1) -> Bundle:
    """Load a bundle after checking that every file is the one that was written.

    Args:
        directory: the bundle's folder.
        threads: threads that one call of the model may use.

    Raises:
        BundleError: the folder is no bundle, or a file is missing, added or altered.
    """
    contents, digest = read_files(directory)
    try:
        golden = json.loads(contents["golden.json"])
        return Bundle(
            Schema.from_json(json.loads(contents["schema.json"])),
            Encoder.from_json(json.loads(contents["encoder.json"])),
            Facts(**json.loads(contents["facts.json"])),
            contents["model.onnx"],
            digest=digest,
            golden=Golden(tuple(golden["rows"]), tuple(golden["probabilities"])),
            calibration=_calibration(contents),
            explainer=contents.get(EXPLAINER),
            threads=threads,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {directory}: its content is malformed: {error}") from error


def _calibration(contents: Mapping[str, bytes]) -> Calibration:
    if CALIBRATION not in contents:  # format 1
        return Calibration()
    return Calibration.from_json(json.loads(contents[CALIBRATION]))


def _check_fit(session: Any, encoder: Encoder, schema: Schema) -> None:
    """Check that schema, encoder and model belong together."""
    unknown = encoder.sources - {column.name for column in schema.features}
    if unknown:
        raise BundleError(f"bundle: the encoder reads {sorted(unknown)}, which are no features")
    if list(session.get_inputs()[0].shape[1:]) != [encoder.width]:
        raise BundleError("bundle: the model's input is not as wide as the encoder's output")
    if "probabilities" not in [output.name for output in session.get_outputs()]:
        raise BundleError("bundle: the model has no output named probabilities")
