from __future__ import annotations

import shutil
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import random_rows, tiny_bundle
from faultproxy import Fault, FaultProxy

from components.errors import BundleError
from components.registry.bundle import load_bundle
from components.registry.store import BundleStore, local_path

FILES = [
    "calibration.json",
    "encoder.json",
    "facts.json",
    "golden.json",
    "manifest.json",
    "model.onnx",
    "schema.json",
]


class Place(ABC):
    """Where a store keeps its bundles, reached past the store itself."""

    uri: str

    @abstractmethod
    def names(self, bundle: str) -> list[str]: ...

    @abstractmethod
    def read(self, bundle: str, name: str) -> bytes: ...

    @abstractmethod
    def write(self, bundle: str, name: str, content: bytes) -> None: ...

    @abstractmethod
    def remove(self, bundle: str, name: str) -> None: ...


@dataclass(frozen=True)
class Folder(Place):
    uri: str

    def path(self, bundle: str) -> Path:
        path = local_path(bundle)
        assert path is not None
        return path

    def names(self, bundle: str) -> list[str]:
        return sorted(path.name for path in self.path(bundle).iterdir())

    def read(self, bundle: str, name: str) -> bytes:
        return (self.path(bundle) / name).read_bytes()

    def write(self, bundle: str, name: str, content: bytes) -> None:
        (self.path(bundle) / name).write_bytes(content)

    def remove(self, bundle: str, name: str) -> None:
        (self.path(bundle) / name).unlink()


@dataclass(frozen=True)
class Objects(Place):
    uri: str
    bucket: str
    client: Any

    def key(self, bundle: str, name: str) -> str:
        return f"{bundle.removeprefix(f's3://{self.bucket}/')}/{name}"

    def names(self, bundle: str) -> list[str]:
        prefix = self.key(bundle, "")
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        keys = [entry["Key"].removeprefix(prefix) for entry in found.get("Contents", [])]
        return sorted({key.split("/")[0] for key in keys if key})

    def read(self, bundle: str, name: str) -> bytes:
        found = self.client.get_object(Bucket=self.bucket, Key=self.key(bundle, name))
        content: bytes = found["Body"].read()
        return content

    def write(self, bundle: str, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.key(bundle, name), Body=content)

    def remove(self, bundle: str, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.key(bundle, name))


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return Folder((tmp_path / "my store").as_uri())
    bucket = request.getfixturevalue("bucket")
    return Objects(f"s3://{bucket}/bundles", bucket, request.getfixturevalue("s3_client"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folders of two different bundles."""
    root = tmp_path_factory.mktemp("made")
    for seed in (0, 1):
        tiny_bundle(root / str(seed), seed)
    return root / "0", root / "1"


def test_a_stored_bundle_comes_back_the_same(place: Place, folders: tuple[Path, Path]) -> None:
    store, rows = BundleStore(place.uri), random_rows(20, seed=2)
    first, second = (store.get(store.put(folder)) for folder in folders)
    assert first.digest != second.digest
    assert not np.allclose(first.score_rows(rows), second.score_rows(rows))
    again = BundleStore(place.uri).get(f"{place.uri}/sha256-{first.digest}")
    assert again.facts == first.facts
    assert np.array_equal(again.score_rows(rows), first.score_rows(rows))
    assert first.replay_golden() == 0.0


def test_a_bundles_address_is_its_content(
    place: Place, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    store = BundleStore(f"{place.uri}/")
    copy = shutil.copytree(folders[0], tmp_path / "copy")
    uri = store.put(folders[0])
    assert uri == store.put(copy) == f"{place.uri}/sha256-{store.get(uri).digest}"
    assert store.put(folders[1]) != uri
    assert place.names(uri) == FILES


def test_a_bundle_that_is_stored_again_is_not_touched(
    place: Place, folders: tuple[Path, Path]
) -> None:
    store = BundleStore(place.uri)
    uri = store.put(folders[0])
    kept = {name: place.read(uri, name) for name in FILES}
    assert store.put(folders[0]) == uri
    assert {name: place.read(uri, name) for name in place.names(uri)} == kept


@pytest.mark.parametrize("name", ["encoder.json", "model.onnx", "manifest.json"])
def test_a_stored_bundle_that_was_altered_is_refused_and_never_repaired(
    place: Place, folders: tuple[Path, Path], name: str
) -> None:
    store = BundleStore(place.uri)
    uri = store.put(folders[0])
    altered = place.read(uri, name) + b" "
    place.write(uri, name, altered)
    for act in (lambda: store.get(uri), lambda: store.put(folders[0])):
        with pytest.raises(BundleError):
            act()
    assert place.read(uri, name) == altered


def test_a_stored_bundle_that_lost_a_file_is_refused(
    place: Place, folders: tuple[Path, Path]
) -> None:
    store = BundleStore(place.uri)
    uri = store.put(folders[0])
    place.remove(uri, "encoder.json")
    with pytest.raises(BundleError, match="expected"):
        store.get(uri)


def test_another_sound_bundle_at_the_address_is_refused(
    place: Place, folders: tuple[Path, Path]
) -> None:
    store = BundleStore(place.uri)
    first, second = store.put(folders[0]), store.put(folders[1])
    for name in FILES:
        place.write(first, name, place.read(second, name))
    for act in (lambda: store.get(first), lambda: store.put(folders[0])):
        with pytest.raises(BundleError, match="another bundle than its address says"):
            act()


def test_an_upload_that_broke_off_is_no_bundle_and_can_be_done_again(
    place: Place, folders: tuple[Path, Path]
) -> None:
    store = BundleStore(place.uri)
    uri = store.put(folders[0])
    place.remove(uri, "manifest.json")
    place.write(uri, "model.onnx", b"half")
    with pytest.raises(BundleError, match=r"manifest\.json cannot be read"):
        BundleStore(place.uri).get(uri)
    assert BundleStore(place.uri).put(folders[0]) == uri
    assert place.names(uri) == FILES


def test_a_bundle_that_was_never_stored_is_refused(place: Place) -> None:
    with pytest.raises(BundleError):
        BundleStore(place.uri).get(f"{place.uri}/sha256-{'0' * 64}")


def test_what_is_no_sound_bundle_is_never_stored(
    place: Place, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    broken = shutil.copytree(folders[0], tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"sha256 of model\.onnx is wrong"):
        BundleStore(place.uri).put(broken)
    digest = BundleStore(place.uri).put(folders[0]).rsplit("/", 1)[1]
    assert place.names(place.uri) == [digest]


def test_a_fetched_bundle_is_a_folder_of_this_machine_with_the_same_files(
    place: Place, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    store = BundleStore(place.uri)
    uri = store.put(folders[0])
    fetched = store.fetch(uri, tmp_path / "cache")
    assert fetched.name == uri.rpartition("/")[2]
    assert load_bundle(fetched).digest == load_bundle(folders[0]).digest


def test_a_bundle_in_a_folder_is_fetched_where_it_lies(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    store = BundleStore((tmp_path / "store").as_uri())
    uri = store.put(folders[0])
    assert store.fetch(uri, tmp_path / "cache") == local_path(uri)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_bundle_that_was_altered_or_never_stored_is_not_fetched(
    place: Place, folders: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    store = BundleStore(place.uri)
    uri = store.put(folders[0])
    place.write(uri, name, place.read(uri, name) + b" ")
    for wrong in (uri, f"{place.uri}/sha256-{'0' * 64}"):
        with pytest.raises(BundleError, match=wrong):
            store.fetch(wrong, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*")) == []


def test_a_copy_is_kept_and_used_again_without_the_store(
    bucket: str, s3_proxy: FaultProxy, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    store = BundleStore(f"s3://{bucket}/bundles")
    uri = store.put(folders[0])
    first = store.fetch(uri, tmp_path / "cache")
    with s3_proxy.failing(Fault.REFUSE):
        assert store.fetch(uri, tmp_path / "cache") == first
    assert sorted(path.name for path in first.iterdir()) == FILES


@pytest.mark.parametrize("harm", [b"", b"altered"])
def test_a_copy_that_was_altered_is_replaced(
    bucket: str, s3_client: Any, folders: tuple[Path, Path], tmp_path: Path, harm: bytes
) -> None:
    store = BundleStore(f"s3://{bucket}/bundles")
    uri = store.put(folders[0])
    copy = store.fetch(uri, tmp_path / "cache")
    (copy / "model.onnx").write_bytes(harm)
    (copy / "more").mkdir()
    assert store.fetch(uri, tmp_path / "cache") == copy
    assert load_bundle(copy).digest == load_bundle(folders[0]).digest
    assert list((tmp_path / "cache").iterdir()) == [copy]


def test_many_that_fetch_and_put_at_once_get_the_same_whole_bundle(
    place: Place, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    store, start = BundleStore(place.uri), threading.Barrier(6)

    def put_and_fetch(_: int) -> tuple[str, Path]:
        start.wait()
        uri = store.put(folders[0])
        return uri, store.fetch(uri, tmp_path / "cache")

    with ThreadPoolExecutor(6) as pool:
        (found,) = set(pool.map(put_and_fetch, range(6)))
    assert place.names(found[0]) == FILES
    assert load_bundle(found[1]).digest == load_bundle(folders[0]).digest
