"""A copy of the repository's scripts, with recording fakes of the programs that they call."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "awk", "base64", "bash", "cat", "chmod", "comm", "cut", "date", "df", "dirname", "env", "grep",
    "gzip", "head", "id", "mkdir", "mktemp", "mv", "od", "rm", "sed", "sha256sum", "sort", "sync",
    "tail", "tar", "tr", "wc",
)  # fmt: skip
COPIED = ("cluster/bootstrap", "manifests", "skaffold.yaml")
FAKE = """#!/usr/bin/env bash
printf '%s' "${{0##*/}}" >>'{calls}'
printf ' %s' "${{@//$'\\n'/ }}" >>'{calls}'
printf '\\n' >>'{calls}'
{answer}
"""


@dataclass
class Sandbox:
    """A folder with the scripts, where only the fakes and the plain programs are on the PATH.

    Attributes:
        environment: of what runs; tests may add to it.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tree, self.programs = self.folder / "tree", self.folder / "programs"
        self.fakes, self._calls = self.folder / "fakes", self.folder / "calls"
        for made in (self.fakes, self.programs):
            made.mkdir(parents=True)
        self._link_programs()
        self._copy_tree()
        self._calls.touch()
        self.environment |= {"PATH": f"{self.fakes}:{self.programs}", "HOME": str(self.folder)}

    def fake(self, program: str, answer: str = "") -> None:
        """Make a program that records how it is called, then does what ``answer`` says in bash."""
        self.write(self.fakes / program, FAKE.format(calls=self._calls, answer=answer))

    def write(self, path: Path, text: str) -> None:
        """Write a program."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def fake_at(self, path: str, answer: str = "") -> None:
        """Make a program that the scripts call by its place in the repository."""
        self.write(self.tree / path, FAKE.format(calls=self._calls, answer=answer))

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script of cluster/bootstrap."""
        command = [str(self.tree / "cluster/bootstrap" / script), *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True
        )

    def calls(self, program: str = "") -> list[str]:
        """Return what was called, all of it or of one program."""
        lines = self._calls.read_text().splitlines()
        return [line for line in lines if not program or line.split(" ")[0] == program]

    def forget(self) -> None:
        """Forget what was called."""
        self._calls.write_text("")

    def _link_programs(self) -> None:
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found, name
            (self.programs / name).symlink_to(found)

    def _copy_tree(self) -> None:
        for name in COPIED:
            source, target = ROOT / name, self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=_ignored)
            else:
                shutil.copy(source, target)


def _ignored(folder: str, names: list[str]) -> set[str]:
    """Leave out what was generated for this machine's own installation."""
    generated = {n for n in names if n.endswith(".env") and n != "versions.env"}
    return generated | {n for n in names if n == "__pycache__"}
