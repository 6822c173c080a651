from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from containers import ROOT, copied

from components.errors import BundleError
from components.registry.files import FORMAT, encode, write_files
from serving.selftest import BUNDLE, self_test

IMPORTED = """
import sys
import serving.__main__, serving.selftest, serving.server
print(*(m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in ("components", "serving")))
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def _altered(directory: Path, probability: float) -> Path:
    """Return a copy of the bundle whose first golden row claims another probability."""
    contents = {path.name: path.read_bytes() for path in BUNDLE.iterdir()}
    del contents["manifest.json"]
    golden = json.loads(contents["golden.json"])
    golden["probabilities"][0] = probability
    write_files({**contents, "golden.json": encode(golden)}, directory)
    return directory


def test_the_self_test_needs_no_other_option_and_says_how_exactly_the_libraries_score() -> None:
    done = _run("-m", "serving", "--self-test")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("self-test: 8 golden rows, largest difference ")
    assert "onnxruntime " in done.stdout


def test_the_self_test_fails_where_the_numbers_are_not_reproduced(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not reproduce the trained model"):
        self_test(_altered(tmp_path, 0.999999))


def test_a_file_that_was_altered_after_the_bundle_was_made_fails_the_self_test(
    tmp_path: Path,
) -> None:
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    (tmp_path / "bundle" / "facts.json").write_text("{}")
    with pytest.raises(BundleError, match=r"sha256 of facts\.json is wrong"):
        self_test(tmp_path / "bundle")


def test_the_shipped_bundle_is_of_todays_format_small_and_of_no_patient() -> None:
    assert json.loads((BUNDLE / "manifest.json").read_bytes())["format"] == FORMAT
    assert json.loads((BUNDLE / "facts.json").read_bytes())["synthetic"] is True
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) < 100_000


def test_the_image_copies_whatever_serving_imports() -> None:
    files = [Path(name).relative_to(ROOT) for name in _run("-c", IMPORTED).stdout.split()]
    there = [Path(path) for path in copied(ROOT / "serving" / "Dockerfile")]
    assert len(files) > 15
    assert [str(file) for file in files if not {file, *file.parents} & set(there)] == []
