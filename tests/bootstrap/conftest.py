"""The scripts of cluster/bootstrap among fakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from bootstrap.fakes import Sandbox

CLUSTER = """
case "$*" in
"config current-context") echo minikube ;;
*port-forward*) echo "Forwarding from 127.0.0.1:41234 -> 8888"; exec tail -f /dev/null ;;
esac
"""
TOOLS = ("helm", "skaffold", "docker", "minikube", "git", "make", "python3.11")


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Return the scripts among fakes that do nothing."""
    return Sandbox(tmp_path / "sandbox")


@pytest.fixture
def installing(sandbox: Sandbox) -> Sandbox:
    """Return them with all that install.sh asks for, each of which succeeds."""
    for tool in TOOLS:
        sandbox.fake(tool)
    sandbox.fake("kubectl", CLUSTER)
    sandbox.fake_at(".venv/bin/health-predict")
    return sandbox
