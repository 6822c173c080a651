"""Compile the pipeline to the YAML that both the cluster and the local runner take."""

from __future__ import annotations

from pathlib import Path

from kfp import compiler

from pipelines.training import training


def compile_training(path: Path) -> None:
    """Write the training pipeline's YAML to ``path``."""
    compiler.Compiler().compile(training, str(path))
