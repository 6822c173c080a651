"""Terraform on a copy of cluster/, so that no state and no provider lands in the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
NODE = CLUSTER / "node"
VERSIONS = Path("manifests/platform/versions.env")
PLUGIN_DIRS = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
)
IGNORED = shutil.ignore_patterns(
    ".terraform*", "*.tfstate*", "*.tfvars", "*_override.tf", "bootstrap", "images"
)


def plugin_dir() -> Path | None:
    """Return the folder of providers that TF_PLUGIN_DIR names, or one in a usual place."""
    named = os.environ.get("TF_PLUGIN_DIR")
    for folder in [named] if named else PLUGIN_DIRS:
        path = Path(folder).expanduser()
        if any(path.glob("*/hashicorp/aws/*/*_*")):
            return path
    return None


def missing() -> str | None:
    """Say what these tests need that is not here."""
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    if plugin_dir() is None:
        return "no provider hashicorp/aws on disk: TF_PLUGIN_DIR names no folder that holds it"
    return None


@dataclass
class Stack:
    """A copy of cluster/ that is initialised.

    Args:
        folder: the copy.
        environment: what Terraform gets beside PATH and HOME.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def copied(cls, top: Path, environment: Mapping[str, str] | None = None) -> Stack:
        """Copy cluster/ and the versions beside it below ``top``, and run ``terraform init``."""
        shutil.copytree(CLUSTER, top / "cluster", ignore=IGNORED)
        (top / VERSIONS).parent.mkdir(parents=True)
        shutil.copy(ROOT / VERSIONS, top / VERSIONS)
        stack = cls(top / "cluster", environment or {})
        stack.run("init", f"-plugin-dir={plugin_dir()}", "-input=false")
        return stack

    def run(self, *args: str, code: int = 0) -> str:
        """Run terraform, hold it to an exit code, and return what it printed."""
        done = subprocess.run(
            ["terraform", *args, "-no-color"],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression within the configuration."""
        done = subprocess.run(
            ["terraform", "console"],
            input=f"jsonencode({expression})",
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(json.loads(done.stdout))

    def outputs(self) -> dict[str, Any]:
        """Return the outputs' values."""
        return {name: out["value"] for name, out in json.loads(self.run("output", "-json")).items()}

    def _environment(self) -> dict[str, str]:
        """Return an environment without a person's account, settings or proxies."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environment,
        }


Account = tuple[Stack, str]
"""A stack that was applied, and the URL of the account that it is in."""


def shell_scripts() -> list[Path]:
    """Return the scripts that the node runs."""
    return sorted(path for path in NODE.iterdir() if path.read_text().startswith("#!"))
