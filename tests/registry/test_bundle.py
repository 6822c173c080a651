from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import random_rows, tiny_bundle

from components.errors import BundleError
from components.registry.bundle import Bundle, load_bundle, write_bundle

FILES = ("encoder.json", "facts.json", "golden.json", "model.onnx", "schema.json")


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
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(BundleError, match="format 2"):
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
