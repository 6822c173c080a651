"""How tests reach the S3 server that they start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]

S3_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}


def s3_client_of(url: str) -> Any:
    """Return a client of the server at ``url``."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=S3_KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=S3_KEYS["AWS_SECRET_ACCESS_KEY"],
    )


def remove_sockets(ports: Iterable[int]) -> None:
    """Remove what a killed SeaweedFS leaves behind, which makes them whatever it is told."""
    for port in ports:
        for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            leftover.unlink()
