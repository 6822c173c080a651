"""The start of the object store, with the real server: its buckets, and who may do what."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore import UNSIGNED  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from manifests.object_store import KEYS, SCRIPT, USERS

BUCKETS = ("mlflow", "readmission")


def test_each_user_reaches_its_own_bucket(store: str) -> None:
    may = {
        (user, bucket): _rights(_client(store, user), bucket)
        for user in USERS
        for bucket in BUCKETS
    }
    assert may == {
        ("mlflow", "mlflow"): {"put", "get", "list", "delete"},
        ("mlflow", "readmission"): set(),
        ("steps", "mlflow"): set(),
        ("steps", "readmission"): {"put", "get", "list", "delete"},
        ("serving", "mlflow"): set(),
        ("serving", "readmission"): {"get", "list"},
    }


def test_without_a_key_nothing_is_to_be_had(store: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    assert [_rights(client, bucket) for bucket in BUCKETS] == [set(), set()]


def test_nobody_makes_another_bucket(store: str) -> None:
    for user in USERS:
        assert not _may(lambda user=user: _client(store, user).create_bucket(Bucket="another"))  # type: ignore[misc]


def test_a_user_without_a_key_keeps_the_store_from_starting(tmp_path: Path) -> None:
    """An identity with an empty key would be everybody's."""
    given = {**KEYS, "STEPS_KEY": "", "DATA_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment = {"PATH": os.environ["PATH"], **given}
    done = subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "steps has no secret key" in done.stderr


def _client(store: str, user: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id=f"{user}-ID",
        aws_secret_access_key=f"{user}-KEY",
    )


def _rights(client: Any, bucket: str) -> set[str]:
    key = {"Bucket": bucket, "Key": "folder/object"}
    calls: dict[str, Callable[[], Any]] = {
        "put": lambda: client.put_object(**key, Body=b"x"),
        "get": lambda: client.get_object(**key),
        "list": lambda: client.list_objects_v2(Bucket=bucket),
        "delete": lambda: client.delete_object(Bucket=bucket, Key="folder/other"),
    }
    return {name for name, call in calls.items() if _may(call)}


def _may(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True
