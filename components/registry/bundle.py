"""The bundle: everything that turns a raw encounter into a risk, in one immutable directory.

It holds plain JSON and one ONNX graph: no pickle, no code. This module is its only loader; a file
that is missing, added or altered raises, nothing is repaired or padded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from components.errors import BundleError, InputError
from components.features.encoder import Encoder, Row
from components.schema import Schema

FORMAT = 1
MANIFEST = "manifest.json"
TOLERANCE = 1e-6
"""Largest difference allowed between a golden row's stored and replayed probability."""

_FILES = ("encoder.json", "facts.json", "golden.json", "model.onnx", "schema.json")


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
    """A loaded bundle that scores raw encounters."""

    def __init__(
        self,
        schema: Schema,
        encoder: Encoder,
        facts: Facts,
        model: bytes,
        *,
        digest: str = "",
        golden: Golden | None = None,
        threads: int = 1,
    ) -> None:
        self.schema = schema
        self.encoder = encoder
        self.facts = facts
        self.digest = digest
        self.golden = golden or Golden((), ())
        self.model = model
        self._session = _session(model, threads)
        self._input = self._session.get_inputs()[0].name
        _check_fit(self._session, encoder, schema)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of readmission for each encoded row; shape ``(rows,)``."""
        probabilities = self._session.run(["probabilities"], {self._input: matrix})[0]
        return np.asarray(probabilities[:, 1], dtype=np.float64)

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
    directory.mkdir(parents=True, exist_ok=True)
    probabilities = bundle.score_rows(rows).tolist()
    contents = {
        "schema.json": _encode(bundle.schema.to_json()),
        "encoder.json": _encode(bundle.encoder.to_json()),
        "facts.json": _encode(asdict(bundle.facts)),
        "golden.json": _encode({"rows": [dict(r) for r in rows], "probabilities": probabilities}),
        "model.onnx": bundle.model,
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    hashes = {name: _sha256(content) for name, content in sorted(contents.items())}
    manifest = _encode({"format": FORMAT, "sha256": hashes})
    (directory / MANIFEST).write_bytes(manifest)
    return _sha256(manifest)


def load_bundle(directory: Path, *, threads: int = 1) -> Bundle:
    """Load a bundle after checking that every file is the one that was written.

    Args:
        directory: the bundle's folder.
        threads: threads that one call of the model may use.

    Raises:
        BundleError: the folder is no bundle, or a file is missing, added or altered.
    """
    manifest = _read(directory, MANIFEST)
    contents = _checked_contents(directory, manifest)
    try:
        golden = json.loads(contents["golden.json"])
        return Bundle(
            Schema.from_json(json.loads(contents["schema.json"])),
            Encoder.from_json(json.loads(contents["encoder.json"])),
            Facts(**json.loads(contents["facts.json"])),
            contents["model.onnx"],
            digest=_sha256(manifest),
            golden=Golden(tuple(golden["rows"]), tuple(golden["probabilities"])),
            threads=threads,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {directory}: its content is malformed: {error}") from error


def _checked_contents(directory: Path, manifest: bytes) -> dict[str, bytes]:
    try:
        declared = json.loads(manifest)
        hashes, version = dict(declared["sha256"]), declared["format"]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {directory}: {MANIFEST} is malformed: {error}") from error
    if version != FORMAT:
        raise BundleError(f"bundle {directory}: format {version}, this loader reads {FORMAT}")
    present = sorted(path.name for path in directory.iterdir() if path.name != MANIFEST)
    if not present == sorted(hashes) == list(_FILES):
        raise BundleError(f"bundle {directory}: holds {present}, expected {list(_FILES)}")
    contents = {name: _read(directory, name) for name in _FILES}
    altered = [name for name, content in contents.items() if _sha256(content) != hashes[name]]
    if altered:
        raise BundleError(f"bundle {directory}: sha256 of {', '.join(altered)} is wrong")
    return contents


def _session(model: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base but Exception
        raise BundleError(f"bundle: model.onnx cannot be loaded: {error}") from error


def _check_fit(session: ort.InferenceSession, encoder: Encoder, schema: Schema) -> None:
    """Check that schema, encoder and model belong together."""
    unknown = encoder.sources - {column.name for column in schema.features}
    if unknown:
        raise BundleError(f"bundle: the encoder reads {sorted(unknown)}, which are no features")
    if list(session.get_inputs()[0].shape[1:]) != [encoder.width]:
        raise BundleError("bundle: the model's input is not as wide as the encoder's output")
    if "probabilities" not in [output.name for output in session.get_outputs()]:
        raise BundleError("bundle: the model has no output named probabilities")


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {directory}: {name} cannot be read: {error.strerror}") from error


def _encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, allow_nan=False, indent=1).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
