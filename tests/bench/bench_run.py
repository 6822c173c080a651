"""Measure one whole run: seconds of each step, memory of all its processes, the candidate's AUC.

``make bench-run DATA=...`` runs ``health-predict run`` in a state folder of its own and prints a
Markdown table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benching import markdown, peak_memory

from pipelines.results import read_events
from pipelines.state import State

PROJECT_LIMITS = {"seconds": "< 240", "memory": "< 6.0"}


def main() -> int:
    """Run, sample, print."""
    cli = str(Path(sys.executable).with_name("health-predict"))
    with tempfile.TemporaryDirectory() as folder:
        options = ["--state", folder, "--output", "json", *sys.argv[1:]]
        process = subprocess.Popen([cli, "run", *options], stdout=subprocess.PIPE)
        with process, peak_memory(process.pid) as peak:
            answer = json.loads(process.communicate()[0])
        subprocess.run([cli, "stop", "--state", folder], check=True)
        events = read_events(State(Path(folder)).runs()[-1].events)
    _print(answer, peak.gib, events)
    return int(answer["exit_code"])


def _print(answer: dict[str, Any], peak: float, events: list[dict[str, Any]]) -> None:
    seconds = {event["step"]: event["seconds"] for event in events if event["phase"] == "done"}
    metrics = answer["metrics"]["candidate"]
    rows = [
        ("encounters", f"{answer['rows']:,}", ""),
        ("cores", str(len(os.sched_getaffinity(0))), ""),
        *((f"{step}, s", f"{value}", "") for step, value in seconds.items()),
        ("whole pipeline, s", f"{answer['seconds']}", PROJECT_LIMITS["seconds"]),
        ("peak memory of all processes, GiB", f"{peak:.2f}", PROJECT_LIMITS["memory"]),
        ("decision", answer["decision"], ""),
        ("candidate's test AUC", f"{metrics['auc']:.4f}" if metrics else "none", ""),
    ]
    print(markdown(("what", "measured", "target"), rows))


if __name__ == "__main__":
    sys.exit(main())
