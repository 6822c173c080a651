"""Run the compiled pipeline on this machine: ``python -m pipelines.local RUN_FOLDER``.

It is a process of its own so that the command line can show progress, and can end the run with all
that it started.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

from kfp import components as kfp_components
from kfp import local

from pipelines.compile import compile_training
from pipelines.state import RunFolder

_UNRESOLVED = ("Could not resolve", "Condition evaluation failed")


class _RefuseUnresolved(logging.Filter):
    """Turns kfp's warning about a condition into an error.

    The runner counts a condition that it cannot evaluate as false, and would skip the branch and
    report success.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith(_UNRESOLVED):
            raise RuntimeError(f"kfp cannot evaluate a condition: {message}")
        return True


def run(folder: RunFolder) -> None:
    """Compile the pipeline and run that very YAML with the run's arguments.

    Raises:
        RuntimeError: a step failed, or a condition could not be evaluated.
    """
    compile_training(folder.pipeline)
    logging.getLogger().addFilter(_RefuseUnresolved())
    # Steps run in this environment, not in the image that the YAML names.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder.path / "artifacts"),
        raise_on_error=True,
    )
    pipeline = kfp_components.load_component_from_file(str(folder.pipeline))
    pipeline(**json.loads(folder.arguments.read_text("utf-8")))


if __name__ == "__main__":
    run(RunFolder(Path(sys.argv[1])))
