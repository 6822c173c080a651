"""The Ray runtime of a search: started in this process, or a cluster that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from components.errors import InputError, one_line
from components.tuning.family import Matrices

_MEBIBYTE = 1 << 20
_STORE_FLOOR = 128 * _MEBIBYTE


@contextmanager
def ray_runtime(cpus: int, data: Matrices | None, address: str = "") -> Iterator[int]:
    """Start Ray in this process or join a cluster, and leave whatever happens.

    Args:
        cpus: trials that may run at once; 0 takes every core that this process may use, or all of
            the cluster's.
        data: sizes the object store; ``None`` leaves its size to Ray.
        address: of a Ray cluster whose nodes hold this project's code; empty starts Ray here.

    Yields:
        How many trials may run at once.

    Raises:
        InputError: no Ray cluster answers at ``address``.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        _join(address, quiet)
    else:
        ray.init(
            num_cpus=cpus or len(os.sched_getaffinity(0)),
            object_store_memory=_store_bytes(data) if data else None,
            include_dashboard=False,
            **quiet,
        )
    try:
        yield cpus or int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _store_bytes(data: Matrices) -> int:
    return _STORE_FLOOR + 2 * (data.x_train.nbytes + data.x_validation.nbytes)


def _join(address: str, quiet: dict[str, Any]) -> None:
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"tune_ray_address: no Ray cluster answers at {address!r}: {one_line(error)[:200]}"
        ) from error
