"""A store that is down, slow, full or corrupt ends in one clear line, and keeps no half bundle."""

from __future__ import annotations

import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from builders import tiny_bundle
from faultproxy import Fault, FaultProxy

from components.errors import BundleError, StoreError
from components.registry.bundle import load_bundle
from components.registry.store import BundleStore

SECONDS = 0.5
"""How long the tests wait for one answer that does not come."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sound bundle."""
    path = tmp_path_factory.mktemp("made") / "bundle"
    tiny_bundle(path)
    return path


@pytest.fixture
def store(s3_proxy: FaultProxy, bucket: str) -> BundleStore:
    """Return a store in a bucket behind the proxy."""
    return BundleStore(f"s3://{bucket}/bundles")


@pytest.fixture
def uri(store: BundleStore, folder: Path) -> str:
    """Return the URI of a stored bundle."""
    return store.put(folder)


OPERATIONS: dict[str, Callable[[BundleStore, str, Path, Path], object]] = {
    "put": lambda store, uri, folder, cache: store.put(folder),
    "get": lambda store, uri, folder, cache: store.get(uri),
    "fetch": lambda store, uri, folder, cache: store.fetch(uri, cache),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_store_that_is_down_is_named_with_the_cause(
    store: BundleStore, uri: str, folder: Path, tmp_path: Path, s3_proxy: FaultProxy, name: str
) -> None:
    line = rf"^the store {uri.rpartition('/')[0]} does not .*: connection refused; run again$"
    with s3_proxy.failing(Fault.REFUSE), pytest.raises(StoreError, match=line):
        OPERATIONS[name](store, uri, folder, tmp_path)
    assert store.get(uri)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_store_that_hangs_does_not_hold_a_step(
    uri: str, folder: Path, tmp_path: Path, s3_proxy: FaultProxy, name: str
) -> None:
    base = uri.rpartition("/")[0]
    line = rf"^the store {base} does not .*: .*[Tt]imeout.*; run again$"
    with s3_proxy.failing(Fault.HANG), pytest.raises(StoreError, match=line):
        OPERATIONS[name](BundleStore(base, SECONDS), uri, folder, tmp_path)


@pytest.mark.parametrize("file", ["schema.json", "manifest.json"])
def test_a_store_that_is_full_says_so_and_holds_no_half_bundle(
    store: BundleStore, folder: Path, bucket: str, s3_proxy: FaultProxy, file: str
) -> None:
    line = rf"does not take sha256-\w+/{file}: .*InsufficientStorage.*; free some space there"
    full = s3_proxy.failing(Fault.FULL, method="PUT", path=file)
    with full, pytest.raises(StoreError, match=line) as raised:
        store.put(folder)
    assert "\n" not in str(raised.value)
    uri = f"s3://{bucket}/bundles/sha256-{load_bundle(folder).digest}"
    with pytest.raises(BundleError):
        store.get(uri)
    assert store.put(folder) == uri


def test_the_manifest_is_uploaded_last(uri: str, s3_proxy: FaultProxy) -> None:
    uploads = [seen.split("?")[0] for seen in s3_proxy.seen if seen.startswith("PUT")]
    assert len(uploads) == 7
    assert uploads[-1].endswith("/manifest.json")


def test_an_answer_that_was_lost_is_asked_for_again(
    store: BundleStore, folder: Path, s3_proxy: FaultProxy
) -> None:
    with s3_proxy.failing(Fault.LOSE, method="PUT", path="model.onnx", times=1):
        assert store.get(store.put(folder))
    assert sum("PUT" in seen and "model.onnx" in seen for seen in s3_proxy.seen) == 2


@pytest.mark.parametrize("file", ["model.onnx", "facts.json"])
@pytest.mark.parametrize("name", ["get", "fetch"])
def test_a_bundle_whose_byte_flips_is_refused_by_the_files_name(
    store: BundleStore, uri: str, folder: Path, tmp_path: Path, s3_proxy: FaultProxy,
    name: str, file: str,
) -> None:  # fmt: skip
    flipped = s3_proxy.failing(Fault.FLIP, method="GET", path=file)
    with flipped, pytest.raises(BundleError, match=rf"{uri}: sha256 of {file} is wrong"):
        OPERATIONS[name](store, uri, folder, tmp_path / "cache")
    assert OPERATIONS[name](store, uri, folder, tmp_path / "cache")


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_store_that_refuses_is_named_with_what_it_says(
    bucket: str, folder: Path, tmp_path: Path, s3_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    uri = f"s3://{bucket}/bundles/sha256-{'0' * 64}"
    with pytest.raises(StoreError, match=rf"^the store s3://{bucket}/bundles does not .*; run"):
        OPERATIONS[name](BundleStore(f"s3://{bucket}/bundles"), uri, folder, tmp_path)


@pytest.mark.parametrize("most", [0, 2000])
def test_a_disk_that_is_full_holds_no_half_bundle(folder: Path, tmp_path: Path, most: int) -> None:
    uri = (tmp_path / "store").as_uri()
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        line = pool.submit(put_with_little_space, uri, folder, most).result()
    assert line.startswith(f"the store {uri} does not take sha256-")
    assert line.endswith("file too large; free some space there and run again")
    assert list((tmp_path / "store").iterdir()) == []
    assert BundleStore(uri).get(BundleStore(uri).put(folder))


def put_with_little_space(uri: str, folder: Path, most: int) -> str:
    """Put a bundle where no file may be larger than ``most`` bytes; return the error's line."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        BundleStore(uri).put(folder)
    except StoreError as error:
        return str(error)
    return "no error"
