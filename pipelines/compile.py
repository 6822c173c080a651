"""Compile the pipeline to YAML: the form that the local runner takes, and that of a cluster."""

from __future__ import annotations

from pathlib import Path

from kfp import compiler

from components.images import COMPONENTS_IMAGE
from pipelines.builds import built_image
from pipelines.cluster import for_cluster
from pipelines.training import training


def compile_training(path: Path) -> None:
    """Write the training pipeline's YAML for the local runner to ``path``."""
    compiler.Compiler().compile(training, str(path))


def compile_for_cluster(images: Path, path: Path) -> str:
    """Write the training pipeline's YAML for a cluster to ``path``.

    Args:
        images: what ``skaffold build --file-output`` wrote.
        path: of the YAML.

    Returns:
        The reference of the image that its tasks run in.

    Raises:
        InputError: the image is not named, or not pinned.
    """
    image = built_image(images, COMPONENTS_IMAGE)
    compiler.Compiler().compile(for_cluster(training, image), str(path))
    return image
