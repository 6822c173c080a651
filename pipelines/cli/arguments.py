"""Arguments of a run on a cluster, held to what its steps would refuse."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from components.deployment.rollout import DEFAULT_STEPS, parse_steps
from components.errors import InputError
from components.features.target import Target
from components.ingest.split import check_batch
from pipelines.cli.run import parse_parameters

_READABLE = ("https", "http", "s3", "synthetic")


def cluster_arguments(parameters: list[str], batch: int | None) -> dict[str, Any]:
    """Read the arguments of a run: better refused here than after its pods have started.

    Args:
        parameters: each as ``name=value``.
        batch: number of the newest batch; ``None`` leaves it to the parameters.

    Raises:
        InputError: there is no such parameter, or it has another type or range.
    """
    arguments = parse_parameters(parameters)
    if batch is not None:
        arguments["data_batch"] = batch
    check_batch(arguments.get("data_batch", 0))
    parse_steps(arguments.get("deploy_canary_steps", DEFAULT_STEPS))
    Target.parse(arguments.get("target", Target.ANY.value))
    if "data_uri" in arguments:
        _check_uri(arguments["data_uri"])
        # The checksum that stands in the pipeline is that of the archive that stands there.
        arguments.setdefault("data_sha256", "")
    return arguments


def _check_uri(uri: str) -> None:
    if urlsplit(uri).scheme not in _READABLE:
        raise InputError(
            f"data_uri {uri!r}: a pod sees no file of this machine; name an https:// or s3:// URI "
            "(health-predict data upload puts a file there) or synthetic:rows=N&seed=S"
        )
