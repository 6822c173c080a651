"""A registered version's bundle on this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from components.errors import InputError
from components.registry import MODEL
from components.registry.models import Alias, Registry
from components.registry.store import BundleStore
from components.settings import load_settings

CACHE = "bundle-cache"


def registered_folder(uri: str) -> Path:
    """Return a folder of this machine with a registered version's bundle.

    What lies in a bucket is copied to ``bundle-cache`` in the state folder, and kept there.

    Args:
        uri: ``models:/readmission/VERSION`` or ``models:/readmission@ALIAS``.

    Raises:
        InputError: the URI names no version of ours.
        BundleError: the stored bundle is not sound.
        HealthPredictError: there is no such version, or the registry or the store cannot be asked.
    """
    name, _, number = urlsplit(uri).path.lstrip("/").partition("/")
    name, _, alias = name.partition("@")
    if name != MODEL or bool(number) == bool(alias) or (alias and alias not in [*Alias]):
        raise InputError(
            f"{uri}: expected models:/{MODEL}/VERSION or models:/{MODEL}@ALIAS, "
            f"ALIAS one of {', '.join(Alias)}"
        )
    settings = load_settings()
    registry = Registry(settings)
    version = registry.version(number) if number else registry.by_alias(Alias(alias))
    if version is None:
        raise InputError(f"{uri}: the registry has no such alias")
    store = BundleStore(settings.bundle_store)
    return store.fetch(version.bundle_uri, settings.state_dir / CACHE)
