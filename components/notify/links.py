"""Pages of a run that a browser opens."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from components.registry import MODEL
from components.registry.tracking import RunRecord
from components.settings import Settings


def mlflow_links(settings: Settings, run: RunRecord | None, version: str) -> dict[str, str]:
    """Return the pages of the MLflow run and of the version; none where MLflow has no server."""
    base = _page(settings.mlflow_url or settings.tracking_uri)
    if not base:
        return {}
    links = {}
    if run:
        links["MLflow run"] = f"{base}/#/experiments/{run.experiment}/runs/{run.run}"
    if version:
        links["MLflow version"] = f"{base}/#/models/{MODEL}/versions/{version}"
    return links


def kfp_links(settings: Settings) -> dict[str, str]:
    """Return the page of the KFP run: on a cluster the run's id is KFP's own, a UUID."""
    base = _page(settings.kfp_url)
    if not base or not _is_uuid(settings.run_id):
        return {}
    return {"Kubeflow run": f"{base}/#/runs/details/{settings.run_id}"}


def _page(url: str) -> str:
    """Return the base of a site's pages, without a password; empty for what no browser opens."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    where = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}"


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
