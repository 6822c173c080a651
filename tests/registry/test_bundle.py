from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import random_rows, tiny_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import BundleError
from components.registry.bundle import Bundle, load_bundle, write_bundle
from components.registry.calibration import Calibration, CalibrationKind

FILES = (
    "calibration.json",
    "encoder.json",
    "facts.json",
    "golden.json",
    "model.onnx",
    "schema.json",
)


def rewrite(directory: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Alter a file and set its hash in the manifest, as one who hides the change would."""
    path, manifest = directory / name, directory / "manifest.json"
    path.write_bytes(change(path.read_bytes()))
    declared = json.loads(manifest.read_bytes())
    declared["sha256"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(declared))


def shift_first_probability(golden: bytes) -> bytes:
    content = json.loads(golden)
    content["probabilities"][0] = abs(content["probabilities"][0] - 0.001)
    return json.dumps(content).encode()


def test_a_bundle_survives_the_round_trip(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "first")
    digest = write_bundle(bundle, bundle.golden.rows, tmp_path / "second")
    again = load_bundle(tmp_path / "second")
    rows = random_rows(50, seed=9)
    assert digest == again.digest == bundle.digest
    assert again.facts == bundle.facts
    assert again.schema == bundle.schema
    assert np.array_equal(again.score_rows(rows), bundle.score_rows(rows))


def test_a_loaded_bundle_reproduces_its_golden_rows(tmp_path: Path) -> None:
    assert tiny_bundle(tmp_path).replay_golden() == 0.0


def test_other_training_rows_give_another_digest(tmp_path: Path) -> None:
    first, second = tiny_bundle(tmp_path / "a", seed=0), tiny_bundle(tmp_path / "b", seed=50)
    assert first.digest != second.digest


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    tiny_bundle(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content + b" ")
    with pytest.raises(BundleError, match=f"sha256 of {name} is wrong"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    tiny_bundle(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match="expected"):
        load_bundle(tmp_path)


def test_an_added_file_is_refused(tmp_path: Path) -> None:
    tiny_bundle(tmp_path)
    (tmp_path / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.pkl"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 1}', b"\xff"])
def test_a_malformed_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    tiny_bundle(tmp_path)
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match="manifest"):
        load_bundle(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    tiny_bundle(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 3}))
    with pytest.raises(BundleError, match="format 3"):
        load_bundle(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json cannot be read"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("encoder.json", b"{}"),
        ("encoder.json", b"[]"),
        ("encoder.json", b'{"blocks": [], "known": []}'),
        ("facts.json", b'{"target": "any"}'),
        ("facts.json", b"3"),
        ("golden.json", b"null"),
        ("golden.json", b"\xff"),
        ("model.onnx", b"no model"),
        ("calibration.json", b"{}"),
        ("calibration.json", b'{"kind": "spline"}'),
        ("calibration.json", b'{"kind": "platt", "slope": -1, "intercept": 0}'),
        ("calibration.json", b'{"kind": "isotonic", "x": [0, 0], "y": [0, 1]}'),
        ("calibration.json", b'{"kind": "isotonic", "x": [0, 1], "y": [1, 0]}'),
        ("schema.json", b'[{"name": "age"}]'),
        ("schema.json", b"[1]"),
    ],
)
def test_malformed_content_behind_a_right_hash_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    tiny_bundle(tmp_path)
    rewrite(tmp_path, name, lambda _: content)
    with pytest.raises(BundleError):
        load_bundle(tmp_path)


def test_golden_rows_that_differ_are_refused(tmp_path: Path) -> None:
    tiny_bundle(tmp_path)
    rewrite(tmp_path, "golden.json", shift_first_probability)
    with pytest.raises(BundleError, match="does not reproduce the trained model"):
        load_bundle(tmp_path).replay_golden()


def test_a_bundle_without_golden_rows_proves_nothing(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "first")
    bare = Bundle(bundle.schema, bundle.encoder, bundle.facts, bundle.model)
    with pytest.raises(BundleError, match="holds no golden rows"):
        bare.replay_golden()


def test_a_model_of_another_width_is_refused(tmp_path: Path) -> None:
    narrow, wide = tiny_bundle(tmp_path / "a", seed=0), tiny_bundle(tmp_path / "b", seed=50)
    blocks = wide.encoder.blocks[:-1]
    encoder = type(wide.encoder)(blocks, wide.encoder.known)
    with pytest.raises(BundleError, match="not as wide"):
        Bundle(narrow.schema, encoder, narrow.facts, narrow.model)


MAPS = [
    Calibration(CalibrationKind.PLATT, slope=1.3, intercept=-0.2),
    Calibration(CalibrationKind.ISOTONIC, x=(0.1, 0.3, 0.35, 0.9), y=(0.0, 0.25, 0.25, 1.0)),
]


@pytest.mark.parametrize("calibration", MAPS, ids=lambda found: found.kind.value)
def test_calibration_travels_with_the_bundle(tmp_path: Path, calibration: Calibration) -> None:
    plain, rows = tiny_bundle(tmp_path / "plain"), random_rows(300, seed=9)
    made = Bundle(plain.schema, plain.encoder, plain.facts, plain.model, calibration=calibration)
    write_bundle(made, rows, tmp_path / "calibrated")
    loaded = load_bundle(tmp_path / "calibrated")
    risks = loaded.score_rows(rows)
    assert loaded.calibration == calibration
    assert loaded.replay_golden() == 0.0
    assert np.array_equal(risks, calibration.apply(plain.score_rows(rows)))
    assert not np.array_equal(risks, plain.score_rows(rows))


@pytest.mark.parametrize("calibration", MAPS, ids=lambda found: found.kind.value)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=70))
@settings(deadline=None)
def test_a_map_keeps_the_order_and_gives_the_same_bits_in_any_batch(
    calibration: Calibration, values: list[float]
) -> None:
    risks = calibration.apply(np.array(values))
    order = np.argsort(values, kind="stable")
    assert ((risks >= 0) & (risks <= 1)).all()
    assert (np.diff(risks[order]) >= 0).all()
    assert [calibration.apply(np.array([value]))[0] for value in values] == risks.tolist()


def test_a_bundle_of_format_1_still_loads_and_is_not_calibrated(tmp_path: Path) -> None:
    bundle, rows = tiny_bundle(tmp_path), random_rows(20, seed=9)
    (tmp_path / "calibration.json").unlink()
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    del manifest["sha256"]["calibration.json"]
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    first = load_bundle(tmp_path)
    assert first.calibration == Calibration()
    assert first.replay_golden() == 0.0
    assert np.array_equal(first.score_rows(rows), bundle.score_rows(rows))


def test_an_explainer_travels_only_when_there_is_one(tmp_path: Path) -> None:
    plain = tiny_bundle(tmp_path / "plain")
    made = Bundle(plain.schema, plain.encoder, plain.facts, plain.model, explainer=b"trees")
    digest = write_bundle(made, plain.golden.rows, tmp_path / "explained")
    assert plain.explainer is None
    assert load_bundle(tmp_path / "explained").explainer == b"trees"
    assert digest != plain.digest
    (tmp_path / "explained" / "explainer.ubj").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"sha256 of explainer\.ubj is wrong"):
        load_bundle(tmp_path / "explained")
