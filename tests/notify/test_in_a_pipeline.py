"""The exit handler as kfp's own local runner runs it, with its log and its final status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from notify.hooks import SECRET, status, webhook

from components.events import EVENTS_FILE
from components.settings import Settings

SCRIPT = Path(__file__).with_name("failing_pipeline.py")
ROOT = Path(__file__).parents[2]


def test_a_failed_pipeline_is_told_to_the_webhook_and_its_secret_to_nobody(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    given = settings().model_dump(exclude_none=True)
    with webhook(status(200)) as hook:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path / "artifacts")],
            env={
                **os.environ,
                **{f"HEALTH_PREDICT_{name.upper()}": str(value) for name, value in given.items()},
                "HEALTH_PREDICT_NOTIFY_WEBHOOK": hook.url.get_secret_value(),
                EVENTS_FILE: str(events),
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    *_, last = (json.loads(line) for line in events.read_text("utf-8").splitlines())
    assert (last["step"], last["phase"], last["state"]) == ("notify", "done", "FAILED")
    assert (last["failed_step"], last["message"]) == ("evaluate", "model.onnx was altered")
    assert last["problems"] == []
    (body,) = hook.bodies
    assert body["text"] == "test-run FAILED: in evaluate: model.onnx was altered"
    log = done.stdout + done.stderr + events.read_text("utf-8")
    assert "notify: test-run FAILED: in evaluate" in log
    assert not any(part in log for part in SECRET.split("/"))
