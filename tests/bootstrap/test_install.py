"""install.sh among fakes: the order, the arguments, and what is wrong in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from bootstrap.fakes import ROOT, Sandbox
from manifests.versions import versions

CLOUD = ("ARTIFACT_BUCKET", "DATA_BUCKET", "AWS_DEFAULT_REGION", "MLFLOW_ROLE_ARN",
         "PIPELINE_ROLE_ARN", "SERVING_ROLE_ARN")  # fmt: skip
IMAGES = "--build-artifacts build.json"


def write_cloud(sandbox: Sandbox, *without: str) -> Path:
    path = sandbox.tree / "manifests/overlays/ec2/cloud/cloud.env"
    path.write_text("".join(f"{name}=x\n" for name in CLOUD if name not in without))
    return path


def skaffold(profiles: str) -> list[str]:
    module = f"-m readmission -p {profiles}"
    return [
        "skaffold run -m platform",
        f"skaffold build {module} --file-output build.json",
        *(f"skaffold {verb} {module} {IMAGES}" for verb in ("test", "deploy", "verify")),
    ]


def test_a_laptops_minikube_gets_all_in_order(installing: Sandbox) -> None:
    done = installing.run("install.sh")
    assert done.returncode == 0, done.stderr
    assert installing.calls("skaffold") == skaffold("standing")
    assert installing.calls("helm") == []
    assert [line.split(" ", 1)[1] for line in installing.calls("health-predict")] == [
        "compile --images build.json -o pipeline.yaml",
        "publish pipeline.yaml --host http://127.0.0.1:41234",
    ]
    assert installing.calls("make") == ["make venv PYTHON=python3.11"]


def test_the_secrets_are_there_before_anything_is_applied(installing: Sandbox) -> None:
    installing.fake("skaffold", "ls manifests/*/*/secrets/*.env >>../seen; exit 3")
    assert installing.run("install.sh").returncode == 3
    made = {path.name for path in (installing.tree / "manifests").rglob("secrets/*.env")}
    assert made == {"mysql.env", "object-store.env", "postgres.env", "s3-mlflow.env",
                    "s3-serving.env", "s3-steps.env"}  # fmt: skip
    assert len(installing.calls("skaffold")) == 1


def test_the_image_of_the_steps_is_told_the_commit(installing: Sandbox) -> None:
    installing.fake("skaffold", 'echo "$1 of ${GIT_COMMIT:-none}"')
    installing.fake("git", "exit 128")  # as where there is no history
    assert "build of unknown" in installing.run("install.sh").stdout
    (installing.tree / ".commit").write_text("0123abc\n")
    assert "build of 0123abc" in installing.run("install.sh").stdout


def test_images_are_tested_in_the_docker_that_has_them(installing: Sandbox) -> None:
    installing.fake("minikube", "echo 'export DOCKER_HOST=of-minikube'")
    installing.fake("skaffold", 'echo "$1 ${DOCKER_HOST:-of-this-machine}"')
    said = installing.run("install.sh").stdout.splitlines()
    assert [line for line in said if "of-minikube" in line] == ["test of-minikube"]


def test_ec2_has_roles_and_watchers_between_the_platform_and_the_product(
    installing: Sandbox,
) -> None:
    write_cloud(installing)
    done = installing.run("install.sh", "--overlay", "ec2")
    assert done.returncode == 0, done.stderr
    assert installing.calls("skaffold") == skaffold("standing,ec2")
    wanted = "helm upgrade|skaffold (run|build)"
    found = [line for line in installing.calls() if re.match(wanted, line)]
    assert [" ".join(line.split(" ")[:4]) for line in found] == [
        "skaffold run -m platform",
        "helm upgrade --install pod-identity-webhook",
        "helm upgrade --install prometheus",
        "skaffold build -m readmission",
    ]
    for line, name in zip(installing.calls("helm"), ("POD_IDENTITY", "PROMETHEUS"), strict=True):
        known = versions()
        assert f" {known[f'{name}_CHART']} --version {known[f'{name}_VERSION']} " in line
        assert " --wait " in line
    assert installing.calls("helm")[0].endswith(" --set config.defaultAwsRegion=x")


def test_eks_gets_its_storage_first_and_needs_no_minikube(installing: Sandbox) -> None:
    write_cloud(installing)
    (installing.fakes / "minikube").unlink()
    installing.environment["SKAFFOLD_DEFAULT_REPO"] = "registry"
    done = installing.run("install.sh", "--overlay", "eks")
    assert done.returncode == 0, done.stderr
    assert installing.calls("skaffold") == skaffold("standing,eks")
    calls = [line for line in installing.calls() if re.search("apply|skaffold run|upgrade", line)]
    assert calls[0].endswith("manifests/overlays/eks/storage")
    assert [line.split(" ")[3] for line in installing.calls("helm")] == ["prometheus"]


def test_an_overlay_that_takes_a_ray_cluster_gets_its_operator(installing: Sandbox) -> None:
    overlay = installing.tree / "manifests/overlays/minikube/kustomization.yaml"
    entry = "components:\n  - ../../components/kuberay\n"
    overlay.write_text(overlay.read_text().replace("components:\n", entry))
    done = installing.run("install.sh")
    assert done.returncode == 0, done.stderr
    (line,) = installing.calls("helm")
    known = versions()
    assert line.startswith("helm upgrade --install kuberay-operator kuberay-operator --version ")
    assert f" --version {known['KUBERAY_VERSION']} " in line
    assert line.endswith(f" --repo {known['KUBERAY_REPO']}")
    calls = installing.calls()
    (namespace,) = [call for call in calls if call.endswith("components/kuberay/namespace.yaml")]
    assert calls.index(namespace) < calls.index(line) < calls.index(skaffold("standing")[1])


def test_a_component_that_is_commented_out_is_not_taken(installing: Sandbox) -> None:
    overlay = installing.tree / "manifests/overlays/minikube/kustomization.yaml"
    overlay.write_text(overlay.read_text() + "  # - ../../components/kuberay\n")
    assert installing.run("install.sh").returncode == 0
    assert installing.calls("helm") == []


def test_again_is_the_same_and_changes_no_secret(installing: Sandbox) -> None:
    def secrets() -> dict[Path, str]:
        return {path: path.read_text() for path in installing.tree.rglob("secrets/*.env")}

    assert installing.run("install.sh").returncode == 0
    before, calls = secrets(), installing.calls()
    installing.forget()
    assert installing.run("install.sh").returncode == 0
    assert secrets() == before
    assert installing.calls() == calls


def test_no_secret_is_printed_or_an_argument(installing: Sandbox) -> None:
    done = installing.run("install.sh")
    said = done.stdout + done.stderr + "\n".join(installing.calls())
    values = [
        line.partition("=")[2]
        for path in installing.tree.rglob("secrets/*.env")
        for line in path.read_text().splitlines()
    ]
    assert len(values) == 11
    assert [value for value in values if len(value) > 10 and value in said] == []


@pytest.mark.parametrize("tool", ["helm", "skaffold", "docker", "minikube", "make", "python3.11"])
def test_a_missing_tool_is_named_before_anything_happens(installing: Sandbox, tool: str) -> None:
    (installing.fakes / tool).unlink()
    done = installing.run("install.sh")
    assert done.returncode == 1
    assert done.stderr == f"error: {tool} is not on the PATH; install it, then run this again\n"
    assert installing.calls("skaffold") == []


def test_a_cluster_that_does_not_answer_is_named(installing: Sandbox) -> None:
    installing.fake("kubectl", "[[ $1 == config ]] && echo minikube || exit 1")
    done = installing.run("install.sh")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the cluster of context minikube does not answer; ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("overlay", ["minikube", "ec2"])
def test_another_cluster_is_left_alone(installing: Sandbox, overlay: str) -> None:
    installing.fake("kubectl", "[[ $1 != config ]] || echo production")
    done = installing.run("install.sh", "--overlay", overlay)
    assert done.returncode == 1
    assert done.stderr.startswith("error: kubectl's context is production, not minikube; ")
    assert installing.calls("skaffold") == []


@pytest.mark.parametrize("name", CLOUD)
def test_what_is_not_in_cloud_env_is_named(installing: Sandbox, name: str) -> None:
    path = write_cloud(installing, name)
    done = installing.run("install.sh", "--overlay", "ec2")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path} has no {name}; ")
    assert len(done.stderr.splitlines()) == 1


def test_without_cloud_env_it_says_how_it_is_made(installing: Sandbox) -> None:
    done = installing.run("install.sh", "--overlay", "ec2")
    assert done.returncode == 1
    assert "terraform -chdir=cluster output -raw cloud_env" in done.stderr


def test_a_port_that_cannot_be_forwarded_says_why(installing: Sandbox) -> None:
    refused = '[[ $* == *port-forward* ]] && echo "error: no pod" || echo minikube'
    installing.fake("kubectl", refused)
    done = installing.run("install.sh")
    assert done.returncode == 1
    assert "kubeflow svc/ml-pipeline: port 8888 cannot be forwarded (error: no pod)" in done.stderr


@pytest.mark.parametrize("arguments", [["--overlay"], ["--overlay", "moon"], ["ec2"]])
def test_a_wrong_call_says_how(installing: Sandbox, arguments: list[str]) -> None:
    done = installing.run("install.sh", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize("overlay", ["minikube", "ec2", "eks"])
def test_skaffold_has_the_profiles_of_each_overlay(overlay: str) -> None:
    text = (ROOT / "cluster/bootstrap/install.sh").read_text()
    found = re.search(rf"^\t{overlay}\) .*PROFILES=(\S+) ", text, re.MULTILINE)
    assert found is not None
    modules = list(yaml.safe_load_all((ROOT / "skaffold.yaml").read_text()))
    known = {profile["name"] for module in modules for profile in module["profiles"]}
    assert set(found[1].split(",")) <= known
