"""objects.py: what a tar of objects keeps, and which one it refuses."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from bootstrap.fakes import ROOT

NAMES = {"a": b"1", "b/c": b"2" * 3_000_000, "with space/ü.json": b"", "b/d": b"3"}


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("objects", ROOT / "cluster/bootstrap/objects.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


objects = _module()


@pytest.fixture
def saved(s3_client: Any, bucket: str) -> bytes:
    """Return the tar of a bucket's objects below a prefix; one beside it is not meant."""
    for name, content in NAMES.items():
        s3_client.put_object(Bucket=bucket, Key=f"kept/{name}", Body=content)
    s3_client.put_object(Bucket=bucket, Key="kept-not/x", Body=b"4")
    out = io.BytesIO()
    assert set(objects.save(f"s3://{bucket}/kept", out)) == set(NAMES)
    return out.getvalue()


def test_objects_go_back_to_another_place(saved: bytes, s3_client: Any, bucket: str) -> None:
    objects.load(f"s3://{bucket}/again", io.BytesIO(saved))
    for name, content in NAMES.items():
        found = s3_client.get_object(Bucket=bucket, Key=f"again/{name}")
        assert found["Body"].read() == content


def test_a_tar_that_was_cut_off_is_refused(saved: bytes) -> None:
    for cut in (len(saved) // 2, len(saved) - tarfile.RECORDSIZE):
        with pytest.raises((ValueError, tarfile.TarError, OSError)):
            objects.check(io.BytesIO(saved[:cut]))


def test_an_object_that_was_altered_is_named(saved: bytes) -> None:
    altered = saved.replace(b"2222", b"2223", 1)
    with pytest.raises(ValueError, match="1 objects are not what they were: b/c"):
        objects.check(io.BytesIO(altered))


def test_nothing_is_a_backup_too(s3_client: Any, bucket: str) -> None:
    out = io.BytesIO()
    assert objects.save(f"s3://{bucket}", out) == {}
    assert objects.check(io.BytesIO(out.getvalue())) == {}


@pytest.mark.parametrize("uri", ["bucket/prefix", "s3://", "file:///tmp"])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="is no address of S3"):
        objects.Place(uri)


@pytest.mark.parametrize("arguments", [[], ["save"], ["check", "x"], ["load"]])
def test_a_wrong_call_says_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert objects.main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_it_needs_nothing_beside_boto3() -> None:
    """It is run by its text, in a pod that has not this repository."""
    text = Path(objects.__file__).read_text()
    assert "from components" not in text
    assert "from pipelines" not in text
