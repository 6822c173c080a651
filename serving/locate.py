"""Where the bundle that is to be served lies."""

from __future__ import annotations

from pathlib import Path

from components.errors import InputError

MOUNTED = "/mnt/models"
"""Where KServe's storage initializer puts what ``storageUri`` names."""

_REGISTERED = "models:/"


def bundle_folder(where: str) -> Path:
    """Return the folder of a bundle that is named by its path or by its registered version.

    A registered version is looked up with the settings of ``HEALTH_PREDICT_*``, by MLflow, which
    the serving image does not have: there a revision names the bundle, and the registry is never
    asked.

    Args:
        where: a path, ``models:/readmission/VERSION`` or ``models:/readmission@ALIAS``.

    Raises:
        InputError: MLflow is not installed, or the registry knows no such version.
    """
    if not where.startswith(_REGISTERED):
        return Path(where)
    try:
        from components.registry.registered import registered_folder
    except ModuleNotFoundError as error:
        raise InputError(
            f"--bundle {where}: {error.name} is not installed here; name the bundle's folder"
        ) from None
    return registered_folder(where)
