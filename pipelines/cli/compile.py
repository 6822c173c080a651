"""``health-predict compile``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.errors import InputError


def compile_(
    images: Annotated[
        Path | None, typer.Option(help="What skaffold build --file-output wrote.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="The form that health-predict run takes, no images.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")] = Path(
        "pipeline.yaml"
    ),
) -> None:
    """Compile the pipeline to YAML, for a cluster with the images that were built."""
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output}: name a .yaml file")
    if (images is None) != local:
        raise InputError(
            "a cluster runs pinned images: name them with --images build.json, which "
            "skaffold build --file-output build.json writes; or give --local"
        )
    from pipelines.compile import compile_for_cluster, compile_training
    from pipelines.pods import pods
    from pipelines.training import training

    if images is None:
        compile_training(output)
        typer.echo(str(output))
    else:
        image = compile_for_cluster(images, output)
        typer.echo(f"{output}: {image}, at most {pods(training.pipeline_spec)} pods a run")
