"""Take the README's pictures: the reports of a run that has a production model to compare with.

``make pictures DATA=...`` runs the first two batches in a state folder of its own and writes the
top of each report, as a browser shows it, to ``.readme/``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import BROWSER, browse
from PIL import Image

from pipelines.state import State

WIDTH = 1000
REPORTS = {
    "report.html": ("model-report.png", 2340),
    "drift_report.html": ("drift-report.png", 1800),
}
"""The picture of each, and how many pixels of its top it holds: as far as the last figure."""
PICTURES = Path(__file__).parents[2] / ".readme"
COLOURS, MARGIN = 64, 400
"""The browser may leave the edge of what it shows unpainted."""


def main() -> int:
    """Run twice, take the pictures, stop what serves."""
    if BROWSER is None:
        print("error: no chromium; install Debian's chromium", file=sys.stderr)
        return 2
    cli = str(Path(sys.executable).with_name("health-predict"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = ["--state", str(folder / "state")]
        try:
            for batch in ("0", "1"):
                subprocess.run([cli, "run", *state, "--batch", batch, *sys.argv[1:]], check=True)
        finally:
            subprocess.run([cli, "stop", *state], check=True)
        newest = State(folder / "state").runs()[-1].path
        for report, (picture, height) in REPORTS.items():
            page = folder / report
            page.write_text(without_folders((newest / report).read_text()))
            take(folder, page, PICTURES / picture, height)
    return 0


def without_folders(page: str) -> str:
    """Leave of a path only the file's name: the folders are those of one machine."""
    return re.sub(r"(?<=>)/[^<>]+/([^/<>]+)(?=<)", r"\1", page)


def take(folder: Path, page: Path, picture: Path, height: int) -> None:
    """Write the picture of a page; ``folder`` takes the browser's own files."""
    options = (f"--screenshot={picture}", f"--window-size={WIDTH},{height + MARGIN}")
    browse(folder, page.as_uri(), *options)
    with Image.open(picture) as opened:
        top = opened.convert("RGB").crop((0, 0, WIDTH, height))
    top.quantize(COLOURS).save(picture, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
