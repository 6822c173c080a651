"""Pipelines and their versions that Kubeflow Pipelines holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import kfp_server_api
from kfp.client import Client

from components.errors import InputError
from pipelines.kubeflow import asked, display_named
from pipelines.package import Package


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a pipeline in Kubeflow Pipelines.

    Attributes:
        pipeline: its name.
        pipeline_id: its id.
        version_id: id of the version.
        version: its name.
        new: whether it was just uploaded.
        newest: name of the newest version, which is taken where none is named; empty for this one.
    """

    pipeline: str
    pipeline_id: str
    version_id: str
    version: str
    new: bool = False
    newest: str = ""


def publish(client: Client, host: str, package: Package) -> Published:
    """Upload a compiled pipeline; a version that is there already is not uploaded again.

    Raises:
        KubeflowError: it was not taken.
    """
    with asked(host, f"publishing {package.version}"):
        pipeline_id = client.get_pipeline_id(package.name) or _create_pipeline(client, package)
        if found := _version(client, pipeline_id, package.version):
            last = _version(client, pipeline_id, "")
            newest = last.display_name if last and last != found else ""
            found_id = found.pipeline_version_id
            return Published(package.name, pipeline_id, found_id, package.version, newest=newest)
        made = client.upload_pipeline_version(
            str(package.path),
            package.version,
            pipeline_id=pipeline_id,
            description=package.description,
        )
    return Published(package.name, pipeline_id, made.pipeline_version_id, package.version, new=True)


def published(client: Client, host: str, pipeline: str, version: str = "") -> Published:
    """Return a version of a pipeline, the newest when none is named.

    Raises:
        InputError: there is no such version.
        KubeflowError: it cannot be asked.
    """
    with asked(host, f"looking for {version or pipeline}"):
        pipeline_id = client.get_pipeline_id(pipeline)
        found = _version(client, pipeline_id, version) if pipeline_id else None
    if not pipeline_id or found is None:
        raise InputError(
            f"{host}: holds no {version or pipeline}; health-predict publish puts it there"
        )
    return Published(pipeline, pipeline_id, found.pipeline_version_id, found.display_name)


def _create_pipeline(client: Client, package: Package) -> str:
    # kfp's own upload of a new pipeline would name the first version like the pipeline.
    wanted = kfp_server_api.V2beta1Pipeline(
        display_name=package.name, name=package.name, description=package.description
    )
    made = client.pipelines.pipeline_service_create_pipeline(pipeline=wanted)
    return str(made.pipeline_id)


def _version(client: Client, pipeline_id: str, name: str) -> Any | None:
    """Return the version of that name, or the newest for an empty one."""
    answer = client.list_pipeline_versions(
        pipeline_id,
        page_size=1,
        sort_by="created_at desc",
        filter=display_named(name) if name else None,
    )
    return next(iter(answer.pipeline_versions or []), None)
