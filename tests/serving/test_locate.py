"""Where the bundle that is to be served lies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import tiny_bundle

from components.errors import BundleError, HealthPredictError, InputError
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore
from components.settings import Settings
from serving.locate import bundle_folder


@pytest.fixture
def registered(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Register a bundle as version 1, which is in production."""
    made = settings()
    for name, value in made.model_dump().items():
        monkeypatch.setenv(f"HEALTH_PREDICT_{name.upper()}", str(value))
    tiny_bundle(tmp_path / "bundle")
    uri = BundleStore(made.bundle_store).put(tmp_path / "bundle")
    registry = Registry(made)
    registry.register(uri, "run", {})
    registry.point(Alias.PRODUCTION, "1")
    return made


def test_a_path_is_itself() -> None:
    assert bundle_folder("/mnt/models") == Path("/mnt/models")


@pytest.mark.parametrize("uri", ["models:/readmission/1", "models:/readmission@production"])
def test_a_registered_version_is_found_in_the_store(registered: Settings, uri: str) -> None:
    folder = bundle_folder(uri)
    assert (folder / "manifest.json").is_file()
    assert folder.parent.as_uri() == registered.bundle_store


@pytest.mark.parametrize(
    "uri",
    [
        "models:/other/1", "models:/readmission", "models:/readmission@nobody", "models:/",
        "models:/readmission@candidate/1",
    ],
)  # fmt: skip
def test_what_names_no_version_of_ours_is_refused(registered: Settings, uri: str) -> None:
    with pytest.raises(InputError, match="models:/readmission/VERSION"):
        bundle_folder(uri)


def test_a_version_that_is_not_there_is_named(registered: Settings) -> None:
    with pytest.raises(HealthPredictError, match="version 9"):
        bundle_folder("models:/readmission/9")
    with pytest.raises(InputError, match="no such alias"):
        bundle_folder("models:/readmission@previous")


def test_a_bundle_in_a_bucket_is_copied_here(
    registered: Settings, bucket: str, tmp_path: Path
) -> None:
    uri = BundleStore(f"s3://{bucket}/bundles").put(tmp_path / "bundle")
    Registry(registered).register(uri, "run", {})
    folder = bundle_folder("models:/readmission/2")
    assert folder.is_relative_to(registered.state_dir)
    assert (folder / "manifest.json").is_file()


def test_a_bundle_that_the_bucket_does_not_hold_is_named(registered: Settings, bucket: str) -> None:
    uri = f"s3://{bucket}/bundles/sha256-{'0' * 64}"
    Registry(registered).register(uri, "run", {})
    with pytest.raises(BundleError, match=uri):
        bundle_folder("models:/readmission/2")


def test_without_mlflow_a_folder_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for name in ("registered", "models", "aliases", "client"):
        monkeypatch.delitem(sys.modules, f"components.registry.{name}", raising=False)
    with pytest.raises(InputError, match="mlflow is not installed here; name the bundle's folder"):
        bundle_folder("models:/readmission/1")
