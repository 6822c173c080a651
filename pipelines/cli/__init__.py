"""The command line, ``health-predict``."""

from pipelines.cli.app import main

__all__ = ["main"]
