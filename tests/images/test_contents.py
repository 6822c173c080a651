"""What both images hold, and what they hold nothing of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from containers import ROOT, built_image, docker, python

TOOLS = ("as", "cc", "gcc", "g++", "git", "ld", "make", "pip")
TRAINING = ("kfp", "mlflow", "onnx", "optuna", "pyarrow", "pytest", "ray", "skl2onnx", "sklearn")
SERVING = ("envoy", "kserve", "pytest", "typer", "uvloop")

pytestmark = pytest.mark.image


@dataclass(frozen=True)
class Image:
    """An image, and what it must not hold."""

    name: str
    reference: str
    not_there: tuple[str, ...]
    entrypoint: list[str] | None
    configuration: dict[str, Any]


@pytest.fixture(params=["components", "serving"])
def image(request: pytest.FixtureRequest) -> Image:
    name: str = request.param
    reference = built_image(name)
    inspected: dict[str, Any] = json.loads(docker("image", "inspect", reference))[0]
    not_there, entrypoint = (
        (TRAINING, ["python", "-m", "serving"]) if name == "serving" else (SERVING, None)
    )
    return Image(name, reference, not_there, entrypoint, inspected)


def test_the_self_test_passes_sealed_off(image: Image) -> None:
    sealed = ("--rm", "--read-only", "--tmpfs=/tmp", "--network=none", "--cap-drop=ALL")
    run = ("--entrypoint=python", image.reference, "-m", image.name, "--self-test")
    assert docker("run", *sealed, *run).splitlines()[-1].startswith("self-test: ")


def test_it_holds_no_compiler_and_nothing_of_the_other_image(image: Image) -> None:
    found = python(
        image.reference,
        "import importlib.util, shutil\n"
        f"print([n for n in {image.not_there} if importlib.util.find_spec(n)],"
        f" [n for n in {TOOLS} if shutil.which(n)])",
    )
    assert found == "[] []"


def test_nothing_of_it_is_writable_and_all_of_it_is_compiled(image: Image) -> None:
    found = python(
        image.reference,
        "import os, pathlib\n"
        "files = [p for top in ('/app', '/opt') for p in pathlib.Path(top).rglob('*')]\n"
        "code = [p for p in files if p.suffix == '.py' and p.is_relative_to('/app')]\n"
        "cached = [p.parent / '__pycache__' / (p.stem + '.cpython-311.pyc') for p in code]\n"
        "print([str(p) for p in files if os.stat(p).st_mode & 0o022 and not p.is_symlink()],"
        " [str(p) for p in files if not os.access(p, os.R_OK)],"
        " len(code) > 30, [str(p) for p in cached if not p.exists()])",
    )
    assert found == "[] [] True []"


def test_neither_its_history_nor_its_files_tell_where_the_packages_came_from(image: Image) -> None:
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image.reference)
    told = history + json.dumps(image.configuration)
    assert re.findall(r"https?://|index-url|trusted-host|PIP_[A-Z]+", told) == []
    settings = "('/etc/pip.conf', '/run/secrets', '/etc/xdg/pip', '/opt/pip')"
    code = f"import os; print([p for p in {settings} if os.path.exists(p)])"
    assert python(image.reference, code) == "[]"


def test_its_configuration_says_what_it_is_and_how_it_runs(image: Image) -> None:
    config, prefix = image.configuration["Config"], "org.opencontainers.image."
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"] or None) == image.entrypoint
    assert config["Labels"][f"{prefix}title"] == f"health-predict-{image.name}"
    assert f'version = "{config["Labels"][f"{prefix}version"]}"' in project
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", config["Labels"][f"{prefix}revision"])


def test_the_server_stops_as_kubernetes_asks_it_to(image: Image) -> None:
    config = image.configuration["Config"]
    if image.name == "serving":
        assert config["StopSignal"] == "SIGTERM"
        assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp"}
    else:
        assert "ExposedPorts" not in config
