"""A registered version's bundle on this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from components.errors import InputError
from components.registry import MODEL
from components.registry.models import Alias, Registry
from components.registry.store import local_path
from components.settings import load_settings


def registered_folder(uri: str) -> Path:
    """Return the folder of a registered version's bundle.

    Args:
        uri: ``models:/readmission/VERSION`` or ``models:/readmission@ALIAS``.

    Raises:
        InputError: the URI names no version of ours, or its bundle lies on no disk of this machine.
        HealthPredictError: there is no such version.
    """
    name, _, number = urlsplit(uri).path.lstrip("/").partition("/")
    name, _, alias = name.partition("@")
    if name != MODEL or bool(number) == bool(alias) or (alias and alias not in [*Alias]):
        raise InputError(
            f"{uri}: expected models:/{MODEL}/VERSION or models:/{MODEL}@ALIAS, "
            f"ALIAS one of {', '.join(Alias)}"
        )
    registry = Registry(load_settings())
    version = registry.version(number) if number else registry.by_alias(Alias(alias))
    if version is None:
        raise InputError(f"{uri}: the registry has no such alias")
    folder = local_path(version.bundle_uri)
    if folder is None:
        raise InputError(
            f"{uri}: its bundle is {version.bundle_uri}; copy it here and name its folder"
        )
    return folder
