"""A compiled pipeline as a version: named by its content, published once, sound manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from calling import Call
from fake_kubeflow import FakeKubeflow
from google.protobuf.json_format import ParseDict
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec
from manifests.schemas import SCHEMAS, errors

from components.errors import InputError
from pipelines.cli.kubeflow import PIPELINE
from pipelines.package import Package
from pipelines.training import training


def _manifests(path: Path) -> list[dict[str, Any]]:
    return list(yaml.load_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader))


def test_the_commands_look_for_the_pipeline_that_is_compiled() -> None:
    assert training.name == PIPELINE


def test_the_same_content_is_the_same_version_whoever_wrote_it(
    package: Path, tmp_path: Path
) -> None:
    text = package.read_text("utf-8")
    other = tmp_path / "other.yaml"
    other.write_text(text.replace("sdkVersion: kfp-2.17.0", "sdkVersion: kfp-2.17.1"), "utf-8")
    assert Package.read(other).version == Package.read(package).version
    other.write_text(text.replace("defaultValue: 24.0", "defaultValue: 25.0"), "utf-8")
    assert Package.read(other).version != Package.read(package).version
    other.write_text(text.replace("cpuLimit: 4", "cpuLimit: 3"), "utf-8")
    assert Package.read(other).version != Package.read(package).version


def test_manifests_hold_the_pipeline_and_a_version_named_by_its_content(
    package: Path, content: dict[str, Any], call: Call, tmp_path: Path
) -> None:
    done = call("publish", str(package), "-o", str(tmp_path / "out"))
    (path,) = (tmp_path / "out").iterdir()
    assert done.out == f"{path}\n"
    pipeline, version = _manifests(path)
    name = Package.read(package).version
    assert (path.stem, version["metadata"]["name"]) == (name, name)
    assert version["spec"]["displayName"] == name
    assert pipeline["metadata"] == {"name": PIPELINE, "namespace": "kubeflow"}
    assert version["spec"]["pipelineName"] == PIPELINE
    assert "- `tune_trials` (24): " in pipeline["spec"]["description"]
    assert version["spec"]["pipelineSpec"] == content["pipeline_spec"]
    assert version["spec"]["platformSpec"] == content["platform_spec"]
    ParseDict(version["spec"]["pipelineSpec"], PipelineSpec())
    ParseDict(version["spec"]["platformSpec"], PlatformSpec())


def test_manifests_are_written_again_to_the_last_byte(
    package: Path, call: Call, tmp_path: Path
) -> None:
    call("publish", str(package), "-o", str(tmp_path))
    (path,) = tmp_path.iterdir()
    first = path.read_bytes()
    call("publish", str(package), "-o", str(tmp_path))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [first]


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"{SCHEMAS} is not there")
def test_manifests_pass_the_definitions_of_their_kinds(package: Path, tmp_path: Path) -> None:
    path = Package.read(package).write_manifests(tmp_path, "kubeflow")
    documents = _manifests(path)
    assert [document["kind"] for document in documents] == ["Pipeline", "PipelineVersion"]
    assert {document["kind"]: errors(document) for document in documents} == {
        "Pipeline": [],
        "PipelineVersion": [],
    }
    documents[1]["spec"]["unknown"] = True
    assert errors(documents[1])


def test_an_upload_makes_the_pipeline_once_and_each_version_once(
    package: Path, call: Call, kubeflow: FakeKubeflow, tmp_path: Path
) -> None:
    version = Package.read(package).version
    host = ("--host", kubeflow.url)
    assert call("publish", str(package), *host).out == f"{version}: published\n"
    assert call("publish", str(package), *host).out == f"{version}: was there already\n"
    changed = tmp_path / "changed.yaml"
    text = package.read_text("utf-8")
    changed.write_text(text.replace("defaultValue: 24.0", "defaultValue: 25.0"), "utf-8")
    assert call("publish", str(changed), *host).out.endswith(": published\n")
    newest = Package.read(changed).version
    assert call("publish", str(package), *host).out.splitlines() == [
        f"{version}: was there already",
        f"{newest} is newer, and taken where none is named; with submit and schedule: "
        f"--version {version}",
    ]
    assert [p.display_name for p in kubeflow.pipelines] == [PIPELINE]
    assert len(kubeflow.sent("POST", "pipelines")) == 1
    names = [a.query["name"] for a in kubeflow.sent("POST", "pipelines/upload_version")]
    assert names == [version, newest]


def test_an_upload_holds_the_pipeline_the_platform_and_the_help(
    package: Path, content: dict[str, Any], call: Call, kubeflow: FakeKubeflow
) -> None:
    call("publish", str(package), "--host", kubeflow.url)
    (held,) = kubeflow.versions
    assert held.pipeline_spec == content
    assert held.description == kubeflow.pipelines[0].description
    assert "**gate**" in held.description


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no compiled pipeline"),
        ("a: [", "is no compiled pipeline"),
        ("components: {}\n", "is no compiled pipeline"),
    ],
)
def test_what_is_no_pipeline_is_refused(tmp_path: Path, call: Call, text: str, said: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text, "utf-8")
    done = call("publish", str(file), "-o", str(tmp_path / "out"))
    assert done.code == 2
    assert done.error.startswith(f"error: {file}: {said}")
    assert not (tmp_path / "out").exists()


def test_a_pipeline_without_pinned_images_is_refused(tmp_path: Path, call: Call) -> None:
    call("compile", "--local", "-o", str(tmp_path / "local.yaml"))
    done = call("publish", str(tmp_path / "local.yaml"), "-o", str(tmp_path / "out"))
    assert done.code == 2
    assert "image 'health-predict-components' is not pinned" in done.error
    with pytest.raises(InputError, match="compile --images"):
        Package.read(tmp_path / "absent.yaml")


def test_compiling_for_a_cluster_says_the_image_and_the_pods(tmp_path: Path, call: Call) -> None:
    images = str(Path(__file__).with_name("build.json"))
    done = call("compile", "--images", images, "-o", str(tmp_path / "p.yaml"))
    assert done.code == 0
    assert "health-predict-components:5f8a9c1e@sha256:" in done.out
    assert done.out.endswith(", at most 16 pods a run\n")
    refused = call("compile", "-o", str(tmp_path / "q.yaml"))
    assert refused.code == 2
    assert "--images build.json" in refused.error
    assert not (tmp_path / "q.yaml").exists()
