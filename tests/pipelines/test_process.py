"""The pipeline's process ends with all that it started."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from pipelines.process import end_tree

FAMILY = """
import subprocess, sys, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("up", flush=True)
import time; time.sleep(600)
"""


def test_a_tree_ends_though_one_ignores_the_signal_and_one_left_the_session() -> None:
    parent = subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children(recursive=True)]
    assert len(family) == 2
    end_tree(parent.pid, grace=0.5)
    parent.wait(timeout=5)
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while any(process.is_running() for process in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process.is_running() for process in family)


def test_ending_a_process_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    end_tree(gone.pid)
    assert gone.returncode == 0
