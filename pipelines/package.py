"""A pipeline that was compiled for a cluster, and its Kubernetes manifests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from kfp import compiler
from kfp import components as kfp_components
from kfp.compiler.compiler_utils import KubernetesManifestOptions
from kfp.dsl.yaml_component import YamlComponent

from components.errors import InputError, one_line
from pipelines.builds import pinned

_DIGITS = 12


@dataclass(frozen=True)
class Package:
    """A file that ``health-predict compile --images`` wrote.

    Attributes:
        path: of the file.
        component: its content.
    """

    path: Path
    component: YamlComponent

    @classmethod
    def read(cls, path: Path) -> Package:
        """Read a compiled pipeline.

        Raises:
            InputError: there is no such file, it is no compiled pipeline, or an image in it is not
                pinned.
        """
        try:
            component = kfp_components.load_component_from_text(path.read_text("utf-8"))
        except OSError as error:
            how = "health-predict compile --images build.json writes it"
            raise InputError(f"{path}: {error.strerror}; {how}") from None
        except Exception as error:  # kfp and yaml raise whatever the text leads them to
            raise InputError(f"{path}: is no compiled pipeline: {one_line(error)[:200]}") from None
        for container in _containers(component):
            pinned(container["image"], str(path))
        return cls(path, component)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.component.name)

    @property
    def description(self) -> str:
        """The help of its parameters, as Markdown."""
        return str(self.component.description or "")

    @cached_property
    def version(self) -> str:
        """The version's name, by its content: the same content is the same version."""
        specs = (self.component.pipeline_spec, self.component.platform_spec)
        pipeline, platform = (MessageToDict(spec) for spec in specs)
        pipeline.pop("sdkVersion", None)
        content = json.dumps([pipeline, platform], sort_keys=True).encode()
        return f"{self.name}-{hashlib.sha256(content).hexdigest()[:_DIGITS]}"

    def write_manifests(self, folder: Path, namespace: str) -> Path:
        """Write the Pipeline and its PipelineVersion, for KFP's Kubernetes-native mode.

        Returns:
            The file, which is named by the version.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.version}.yaml"
        options = KubernetesManifestOptions(
            pipeline_version_name=self.version,
            namespace=namespace,
            include_pipeline_manifest=True,
        )
        options.pipeline_version_display_name = self.version
        compiler.Compiler().compile(
            self.component,
            str(path),
            kubernetes_manifest_options=options,
            kubernetes_manifest_format=True,
        )
        return path


def _containers(component: YamlComponent) -> list[dict[str, Any]]:
    deployment = MessageToDict(component.pipeline_spec)["deploymentSpec"]
    return [executor["container"] for executor in deployment["executors"].values()]
