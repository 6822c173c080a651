"""remote.sh among fakes of Terraform, AWS and git."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from bootstrap.fakes import Sandbox

URL = "https://bucket.example/source?X-Amz-Signature=secret-of-15-minutes"
TERRAFORM = """
case "${@: -1}" in
region) printf eu-west-1 ;;
cloud_env) printf 'ARTIFACT_BUCKET=artifacts\\nDATA_BUCKET=data\\n' ;;
*) printf '%s' "the-${@: -1}" ;;
esac
"""
GIT = """
case "$*" in
*rev-parse*) echo 0123abc ;;
*archive*) echo archive >"${@: -2:1}" ;;
esac
"""
# Each command that is sent is kept; the second one gives the public keys.
AWS = """
case "$*" in
--version) echo "${VERSION:-aws-cli/2.27.1 Python/3.13}" ;;
*presign*) echo '__URL__' ;;
*describe-instance-information*) echo "${PING:-Online}" ;;
*send-command*)
	n=$(cat "$SENT/count" 2>/dev/null || echo 0)
	echo $((n + 1)) >"$SENT/count"
	for a; do case $a in file://*) cp "${a#file://}" "$SENT/$n.json" ;; esac; done
	echo "command-$n" ;;
*"wait command-executed"*) [[ $* != *"${FAILS:-none}"* ]] ;;
*get-command-invocation*Status*) echo Failed ;;
*get-command-invocation*command-1*) echo '{"keys":[{"kid":"1"}]}' ;;
*get-command-invocation*) echo "said by ${*: 4:1}" ;;
*"s3 cp"*jwks*) cat "$5" 2>/dev/null >"$SENT/jwks" || cat "${@: -2:1}" >"$SENT/jwks" ;;
esac
""".replace("__URL__", URL)


@pytest.fixture
def remote(sandbox: Sandbox) -> Sandbox:
    """Return the scripts with the fakes of a person's machine."""
    for tool, answer in (("terraform", TERRAFORM), ("git", GIT), ("aws", AWS)):
        sandbox.fake(tool, answer)
    (sandbox.programs / "cp").symlink_to("/bin/cp")
    sent = sandbox.folder / "sent"
    sent.mkdir()
    sandbox.environment["SENT"] = str(sent)
    return sandbox


def scripts(sandbox: Sandbox) -> list[str]:
    """Return what the node would run."""
    found = []
    for path in sorted((sandbox.folder / "sent").glob("*.json")):
        body = json.loads(path.read_text())
        assert body["DocumentName"] == "AWS-RunShellScript"
        assert body["InstanceIds"] == ["the-instance_id"]
        (line,) = body["Parameters"]["commands"]
        found.append(base64.b64decode(line.split(" ")[1]).decode())
    return found


def as_run(sandbox: Sandbox, script: str) -> str:
    """Run what the node would, and return what it would run as another user."""
    log = sandbox.folder / "node.log"
    shown = script.replace("/var/log/health-predict.log", str(log))
    fake = """runuser() { printf '%s\\n' "$@"; }"""
    subprocess.run(["bash", "-c", f"{fake}\n{shown}"], check=True, capture_output=True)
    return log.read_text()


def test_the_source_the_keys_and_the_installation_in_this_order(remote: Sandbox) -> None:
    done = remote.run("remote.sh")
    assert done.returncode == 0, done.stderr
    source, keys, install = scripts(remote)
    assert "tar -xzf" in source
    assert "get --raw /openid/v1/jwks" in keys
    assert "cluster/bootstrap/install.sh --overlay ec2" in as_run(remote, install)
    assert (remote.folder / "sent/jwks").read_text() == '{"keys":[{"kid":"1"}]}\n'
    copied = [line for line in remote.calls("aws") if " s3 cp " in line]
    assert copied[0].endswith("s3://the-data_bucket/source/0123abc.tar.gz")
    assert copied[1].endswith("s3://the-issuer_bucket/openid/v1/jwks")
    opened = [f"the-open_{name}" for name in ("dashboard", "mlflow", "endpoint")]
    assert done.stdout.splitlines()[-3:] == opened


def test_the_presigned_address_is_neither_printed_nor_an_argument(remote: Sandbox) -> None:
    done = remote.run("remote.sh")
    assert "Signature" in scripts(remote)[0]
    assert "Signature" not in done.stdout + done.stderr + "\n".join(remote.calls())
    assert "--expires-in 900" in "\n".join(remote.calls("aws"))


def test_what_fails_on_the_node_is_shown_and_ends_it(remote: Sandbox) -> None:
    remote.environment["FAILS"] = "command-0"
    done = remote.run("remote.sh")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: source: Failed on the-instance_id ")
    assert len(scripts(remote)) == 1


def test_a_node_that_is_not_there_yet_is_said(remote: Sandbox) -> None:
    remote.environment["PING"] = "None"
    done = remote.run("remote.sh")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the-instance_id has not called SSM; wait a minute, ")


def test_without_an_output_it_says_terraform_apply(remote: Sandbox) -> None:
    remote.fake("terraform", "exit 1")
    done = remote.run("remote.sh")
    assert done.returncode == 1
    wanted = "Terraform has no output instance_id; run: cd cluster && terraform apply"
    assert done.stderr == f"error: {wanted}\n"


def test_an_old_aws_cli_is_refused(remote: Sandbox) -> None:
    remote.environment["VERSION"] = "aws-cli/1.45.11 Python/3.11.7"
    done = remote.run("remote.sh")
    assert done.returncode == 1
    assert done.stderr == "error: the AWS CLI is aws-cli/1.45.11; install version 2\n"


def test_without_credentials_it_says_log_in(remote: Sandbox) -> None:
    remote.fake("aws", "[[ $1 == --version ]] && echo aws-cli/2.27.1")
    done = remote.run("remote.sh")
    assert done.returncode == 1
    assert "log in" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["backup"], 'cluster/bootstrap/backup.sh "$folder" --upload'),
        (["restore", "s3://b/diabetes/backups/x", "--force"],
         "cluster/bootstrap/restore.sh s3://b/diabetes/backups/x --force"),
        (["doctor"], "cluster/bootstrap/doctor.sh"),
    ],
)  # fmt: skip
def test_other_verbs_run_on_the_node_as_its_user(
    remote: Sandbox, arguments: list[str], line: str
) -> None:
    done = remote.run("remote.sh", *arguments)
    assert done.returncode == 0, done.stderr
    (script,) = scripts(remote)
    said = as_run(remote, script)
    assert said.startswith("-l\nminikube\n-c\ncd /opt/health-predict && ")
    assert line in said


@pytest.mark.parametrize("arguments", [["moon"], ["restore"], ["restore", "folder"]])
def test_a_wrong_call_says_how(remote: Sandbox, arguments: list[str]) -> None:
    done = remote.run("remote.sh", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
