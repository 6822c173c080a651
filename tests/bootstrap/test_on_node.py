"""on-node.sh: what the node does with the source that remote.sh has it fetch."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from pathlib import Path

import pytest
from bootstrap.fakes import Sandbox

URL = "https://bucket.example/source?X-Amz-Signature=secret-of-15-minutes"


@pytest.fixture
def node(sandbox: Sandbox) -> Sandbox:
    """Return the scripts with the node's programs, and an archive that curl fetches."""
    copy = f'for a; do [[ $o == --output ]] && cp "{sandbox.folder}/source.tar.gz" "$a"; o=$a; done'
    sandbox.fake("cloud-init")
    sandbox.fake("chown")
    sandbox.fake("curl", f"cat >>'{sandbox.folder}/given'; {copy}")
    (sandbox.programs / "cp").symlink_to("/bin/cp")
    sandbox.environment |= {
        "SOURCE_URL": URL, "FOLDER": str(sandbox.folder / "unpacked"),
        "COMMIT": "0123abc",
        "CLOUD_ENV": base64.b64encode(b"DATA_BUCKET=data\n").decode(),
    }  # fmt: skip
    return sandbox


def archive(sandbox: Sandbox, **files: str) -> None:
    with tarfile.open(sandbox.folder / "source.tar.gz", "w:gz") as tar:
        for name, text in {"manifests/overlays/ec2/cloud/a": "", **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


def test_the_node_unpacks_and_keeps_what_was_generated(node: Sandbox) -> None:
    archive(node, kept="1", gone="1")
    assert node.run("on-node.sh").returncode == 0
    folder = Path(node.environment["FOLDER"])
    (folder / "secret.env").write_text("generated")
    archive(node, kept="2")
    done = node.run("on-node.sh")
    assert done.returncode == 0, done.stderr
    assert (folder / "kept").read_text() == "2"
    assert not (folder / "gone").exists()
    assert (folder / "secret.env").read_text() == "generated"
    assert (folder / "manifests/overlays/ec2/cloud/cloud.env").read_text() == "DATA_BUCKET=data\n"


def test_the_node_gives_the_address_to_curl_by_its_input(node: Sandbox) -> None:
    archive(node)
    done = node.run("on-node.sh")
    assert (node.folder / "given").read_text() == f'url = "{URL}"\n'
    assert "Signature" not in done.stdout + done.stderr + "\n".join(node.calls())


def test_a_broken_first_boot_is_said(node: Sandbox) -> None:
    node.fake("cloud-init", "exit 1")
    done = node.run("on-node.sh")
    assert done.returncode == 1
    assert re.fullmatch(r"error: cloud-init failed; .*\n", done.stderr)
