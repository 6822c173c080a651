"""What Terraform says of cluster/ without an account."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from terraform.stack import CLUSTER, ROOT, Stack, shell_scripts


def test_it_is_formatted(stack: Stack) -> None:
    stack.run("fmt", "-check", "-recursive", "-diff")


def test_it_is_valid(stack: Stack) -> None:
    assert "The configuration is valid" in stack.run("validate")


@pytest.mark.timeout(600)
def test_each_promise_holds(stack: Stack) -> None:
    said = stack.run("test")
    assert re.search(r"^Success! \d{2,} passed, 0 failed\.$", said, re.MULTILINE), said


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("region", "us-east-1a", "region is an AWS region, such as us-east-1 or eu-central-1."),
        ("disk_gib", "20", "disk_gib is a whole number from 60"),
        ("budget_email", "nobody", "budget_email is an e-mail address."),
        ("vpc_cidr", "wide", "vpc_cidr is a range in CIDR notation from /16 to /24."),
    ],
)
def test_a_wrong_value_is_named(stack: Stack, variable: str, value: str, message: str) -> None:
    said = stack.run("plan", "-input=false", f"-var={variable}={value}", code=1)
    assert message in " ".join(re.sub(r"[│╵╷]", " ", said).split())


def test_git_takes_no_state_plan_or_value() -> None:
    names = ["terraform.tfstate", "a.tfplan", "mine.tfvars", ".terraform.lock.hcl", "backend.tf"]
    paths = [f"cluster/{name}" for name in [*names, ".terraform/x", "x.tfstate.backup"]]
    command = ["git", "-C", str(ROOT), "check-ignore", *paths, "cluster/node.tf"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == paths


def test_no_key_is_made_or_named() -> None:
    text = "".join(path.read_text() for path in sorted(CLUSTER.glob("*.tf")))
    assert re.findall(r"key_name|aws_key_pair|aws_iam_access_key|access_key|secret_key", text) == []


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_nodes_scripts_are_clean() -> None:
    scripts = [str(path) for path in shell_scripts()]
    assert len(scripts) == 4
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert done.stdout == ""
