"""The whole pipeline as a user runs it: the real command line, subprocess steps, real servers."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from asking import asking

from components.deployment.local.endpoint import Endpoint, EndpointFile
from components.deployment.local.server import Server
from components.deployment.verify import tensors
from components.registry.bundle import Bundle, load_bundle
from components.registry.models import Registry
from components.registry.store import local_path
from pipelines.state import State

pytestmark = pytest.mark.flow

COHORT = "synthetic:rows=10000&seed=3"
QUICK = ("--param", "tune_trials=3", "--param", "gate_min_auc=0.52")


@dataclass(frozen=True)
class Installation:
    """A state folder and the command line on it."""

    state: Path

    def command(self, *arguments: str) -> list[str]:
        cli = str(Path(sys.executable).with_name("health-predict"))
        return [cli, *arguments, "--state", str(self.state)]

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)
        return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)

    def run(self, *arguments: str) -> dict[str, Any]:
        done = self.call("run", "--data", COHORT, *QUICK, "--output", "json", *arguments)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def endpoint(self) -> Endpoint:
        endpoint = EndpointFile(self.state).read()
        assert endpoint is not None
        assert endpoint.alive
        return endpoint

    def server(self) -> Server:
        server = self.endpoint().stable
        assert server is not None
        return server

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.call("status", "--output", "json").stdout)
        return answer


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("state"))
    yield made
    assert made.call("stop").returncode == 0


@pytest.fixture(scope="module")
def first(installation: Installation) -> dict[str, Any]:
    return installation.run()


@pytest.fixture(scope="module")
def second(installation: Installation, first: dict[str, Any]) -> tuple[Server, dict[str, Any]]:
    old = installation.server()
    return old, installation.run()


def test_the_first_run_promotes_a_model_and_says_what_it_is(first: dict[str, Any]) -> None:
    assert first["decision"] == "promoted"
    assert first["version"] == "1"
    assert first["rows"] == 10000
    assert first["synthetic"] is True
    assert first["source"] == COHORT
    assert first["metrics"]["production"] is None
    assert 0.5 < first["metrics"]["candidate"]["auc"] < 1
    assert "synthetic data" in Path(first["report"]).read_text("utf-8")


def test_both_protocols_answer_what_the_bundle_scores_offline(
    installation: Installation, first: dict[str, Any]
) -> None:
    server = installation.server()
    folder = local_path(server.revision.bundle_uri)
    assert folder is not None
    bundle = load_bundle(folder)
    rows = bundle.golden.rows
    v1 = httpx.post(
        f"{installation.endpoint().url}/v1/models/readmission:predict",
        json={"instances": list(rows)},
    ).json()
    v2 = httpx.post(
        f"{installation.endpoint().url}/v2/models/readmission/infer",
        json={"inputs": tensors(bundle, rows)},
    ).json()
    offline = bundle.score_rows(rows)
    served = [row["probability"] for row in v1["predictions"]]
    outputs = {output["name"]: output["data"] for output in v2["outputs"]}
    assert np.abs(np.array(served) - offline).max() < 1e-6
    assert np.abs(np.array(outputs["probability"]) - offline).max() < 1e-6
    assert v1["model_version"] == v2["model_version"] == server.revision.version
    assert v1["synthetic"] is True


def test_the_printed_curl_line_works_when_pasted(
    installation: Installation, first: dict[str, Any]
) -> None:
    text = installation.call("status").stdout
    line = next(line for line in text.splitlines() if line.startswith("curl"))
    answer = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    prediction = json.loads(answer.stdout)["predictions"][0]
    assert 0 <= prediction["probability"] <= 1
    assert isinstance(prediction["readmitted"], bool)


def test_a_second_run_is_compared_with_the_first_and_takes_its_place(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    old, answer = second
    assert answer["metrics"]["production"] is not None
    assert any("against version 1" in reason for reason in answer["reasons"])
    assert answer["decision"] == "promoted"
    assert answer["version"] == installation.status()["registry_production"] == "2"
    assert not old.process.alive
    assert installation.endpoint().canary is None


def test_a_candidate_below_the_floor_is_refused_and_production_stays(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    before = installation.endpoint()
    answer = installation.run("--param", "gate_min_auc=0.99")
    assert answer["decision"] == "refused"
    assert any(reason.startswith("FAILED: AUC") for reason in answer["reasons"])
    assert answer["version"] == "2"
    assert installation.endpoint() == before
    assert installation.status()["registry_production"] == "2"


def test_a_batch_that_did_not_drift_is_scored_and_trains_nothing(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    lifted = ("threshold=9", "max_shift=9", "classifier_auc=1", "max_auc_drop=1")
    params = [text for line in lifted for text in ("--param", f"drift_{line}")]
    answer = installation.run("--batch", "2", *params)
    assert answer["decision"] == "kept"
    assert answer["batch"] == 2
    assert answer["metrics"]["candidate"] is None
    assert answer["metrics"]["production"]["rows"] > 1000
    for name in ("report", "drift_report", "quality_report"):
        assert "</html>" in Path(answer[name]).read_text("utf-8")
    published = installation.state / "data" / "drift" / "reports"
    assert {path.name for path in published.iterdir()} >= {"batch-2.html", "batch-2.json"}
    assert any(reason.startswith("no column drifted") for reason in answer["reasons"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "no-such-file.csv"), "no-such-file.csv"),
        (("--data", "nonsense"), "nonsense"),
        (("--data", "{empty}"), "is empty"),
        (("--data", "{cut}"), "truncated"),
        (("--data", "{missing}"), "'age'"),
        (("--data", "{domain}"), "'[200-210)' (3x)"),
        (("--data", "{domain}", "--sha256", "0" * 64), "sha256"),
        (("--batch", "6"), "batch 6 is out of range"),
        (("--port", "{busy}"), "the endpoint listens at"),
        (("--param", "deploy_canary_steps=50,10"), "rising percentages"),
        (("--param", "tune_trials=many"), "tune_trials"),
    ],
)
def test_bad_input_is_one_clear_line_and_production_goes_on_serving(
    installation: Installation,
    second: tuple[Server, dict[str, Any]],
    bad_files: dict[str, str],
    arguments: Sequence[str],
    said: str,
) -> None:
    before = installation.endpoint()
    places = {**bad_files, "busy": str(installation.server().port)}
    done = installation.call("run", *(argument.format_map(places) for argument in arguments))
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in done.stderr + done.stdout
    assert installation.endpoint() == before
    assert httpx.get(f"{before.url}/v2/models/readmission/ready").is_success


def test_after_all_bad_input_the_registry_is_as_it_was(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    assert installation.status()["registry_production"] == "2"


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    import pyarrow.csv as pa_csv

    from components.ingest.synthetic import synthesise

    folder = tmp_path_factory.mktemp("bad")
    good = folder / "good.csv"
    pa_csv.write_csv(
        synthesise(200, 0), good, write_options=pa_csv.WriteOptions(quoting_style="none")
    )
    text = good.read_text("utf-8")
    header, *rows = text.splitlines()
    age = header.split(",").index('"age"' if '"age"' in header else "age")
    wrong = [row.split(",") for row in rows]
    for row in wrong[:3]:
        row[age] = "[200-210)"
    made = {
        "empty": "",
        "domain": "\n".join([header, *(",".join(row) for row in wrong)]) + "\n",
        "missing": "\n".join([header.replace("age", "years"), *rows]) + "\n",
    }
    for name, content in made.items():
        (folder / f"{name}.csv").write_text(content, "utf-8")
    import zipfile

    with zipfile.ZipFile(folder / "cut.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(good, "diabetic_data.csv")
    whole = (folder / "cut.zip").read_bytes()
    (folder / "cut.zip").write_bytes(whole[: len(whole) // 2])
    paths = {name: str(folder / f"{name}.csv") for name in made}
    return {**paths, "cut": str(folder / "cut.zip")}


def test_an_interrupted_run_leaves_no_process_behind_and_production_serves(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    before = installation.endpoint()
    command = installation.command("run", "--data", COHORT, "--output", "json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        started = _wait_for_trial(installation, process)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(stdout)["decision"] == "interrupted"
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []
    assert installation.endpoint() == before
    assert httpx.get(f"{before.url}/v2/models/readmission/ready").is_success


def _wait_for_trial(
    installation: Installation, process: subprocess.Popen[bytes]
) -> list[psutil.Process]:
    """Wait until the search runs, and return every process that the run has started."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None
        newest = sorted((installation.state / "runs").glob("run-*"))[-1] / "events.jsonl"
        if newest.exists() and '"text": "logistic' in newest.read_text("utf-8"):
            return psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.2)
    raise AssertionError("no trial was reported")


def test_a_run_beside_another_is_refused(installation: Installation) -> None:
    from filelock import FileLock

    with FileLock(installation.state / "run.lock"):
        done = installation.call("run", "--data", COHORT)
    assert done.returncode == 1
    assert "another run is in progress" in done.stderr


def test_production_goes_back_and_forth_by_command_and_no_request_is_lost(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    url, store = installation.endpoint().url, installation.state / "bundles"
    bundles = {load_bundle(folder).digest: folder for folder in store.glob("sha256-*")}
    moves = json.loads(installation.call("history", "--output", "json").stdout)["promotions"]
    assert [(move["from_version"], move["to_version"]) for move in moves] == [("", "1"), ("1", "2")]
    with asking(url, _known(installation, bundles)) as client:
        back = installation.call("rollback", "--reason", "a test", "--output", "json")
        assert back.returncode == 0, back.stderr
        assert json.loads(back.stdout)["version"] == "1"
        assert installation.status()["registry_production"] == "1"
        again = installation.call("rollback", "--to", "2", "--at-once")
        assert again.returncode == 0, again.stderr
    assert client.wrong == []
    assert set(client.answered) == {"1", "2"}
    status = installation.status()
    assert (status["version"], status["registry_production"]) == ("2", "2")
    assert status["registry_previous"] == "1"
    assert installation.endpoint().url == url
    refused = installation.call("rollback", "--to", "2")
    assert refused.returncode == 2
    assert "version 2 is in production already" in refused.stderr
    assert "a test" in installation.call("history").stdout


def _known(installation: Installation, bundles: dict[str, Path]) -> dict[str, Bundle]:
    registry = Registry(State.at(installation.state).settings("test"))
    tags = {number: registry.version(number).tags for number in ("1", "2")}
    return {number: load_bundle(bundles[found["bundle"]]) for number, found in tags.items()}


def test_a_revision_on_this_machines_disk_is_for_no_cluster(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    refused = installation.call("revision", "1")
    assert refused.returncode == 2
    assert "which no cluster reaches" in refused.stderr


def test_stop_ends_the_endpoint_and_serve_brings_the_same_version_back(
    installation: Installation, second: tuple[Server, dict[str, Any]]
) -> None:
    before = installation.endpoint()
    assert installation.call("stop").returncode == 0
    assert not before.router.alive
    refused = installation.call("predict", str(installation.state / "example.json"))
    assert refused.returncode == 1
    assert "nothing serves" in refused.stderr
    assert installation.call("serve").returncode == 0
    after = installation.endpoint()
    assert before.stable
    assert after.stable
    assert after.stable.revision.same_model(before.stable.revision)
    done = installation.call("predict", str(installation.state / "example.json"))
    assert done.returncode == 0
    assert "trained on synthetic data" in done.stdout


def test_predict_shows_what_the_endpoint_refuses(
    installation: Installation, second: tuple[Server, dict[str, Any]], tmp_path: Path
) -> None:
    example = json.loads((installation.state / "example.json").read_text("utf-8"))
    example["instances"][0]["age"] = "[200-210)"
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(example), "utf-8")
    done = installation.call("predict", str(bad))
    assert done.returncode == 2
    assert "age" in done.stderr
