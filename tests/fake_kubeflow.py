"""The API of Kubeflow Pipelines on loopback, as far as the commands use it.

Bodies are held to the models of ``kfp_server_api``, which is the interface that the SDK speaks: a
field that a model does not know is refused, as the backend's own gateway refuses it.
"""

from __future__ import annotations

import datetime
import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import kfp_server_api as api
from kubeflow_bodies import JSON, Refused, check_cron, modelled, one, uploaded

ROOT = "/apis/v2beta1/"
_START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class FakeKubeflow:
    """What the server holds, what it was asked, and how it is to answer.

    Attributes:
        states: of the next looks at a run, with those of its tasks; the last one stays.
        failures: of the next requests, as status and body; status 0 never answers.
        health: what the dashboard adds to the API's own health.
    """

    pipelines: list[Any] = field(default_factory=list)
    versions: list[Any] = field(default_factory=list)
    experiments: list[Any] = field(default_factory=list)
    runs: list[Any] = field(default_factory=list)
    recurring: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    states: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    health: dict[str, bool] = field(default_factory=dict)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)
    _ticks: Iterator[int] = field(default_factory=itertools.count)

    def sent(self, method: str, path: str) -> list[Asked]:
        """Return the requests of one kind, in order."""
        return [a for a in self.asked if (a.method, a.path) == (method, path)]

    def hold(self, pipeline: str, version: str, content: dict[str, Any]) -> None:
        """Hold a version of a pipeline as if it had been published."""
        own = Asked("POST", "pipelines", {}, {"display_name": pipeline})
        made = self._add(self.pipelines, "pipeline_id", own, "V2beta1Pipeline")
        body = {
            "pipeline_id": made.pipeline_id,
            "display_name": version,
            "pipeline_spec": content,
        }
        own = Asked("POST", "pipelines/upload_version", {}, body)
        self._add(self.versions, "pipeline_version_id", own, "V2beta1PipelineVersion")

    def answer(self, asked: Asked, raw: bytes, kind: str) -> Any:
        match asked.method, asked.path.split("/"):
            case "GET", ["healthz"]:
                return {"multi_user": False, **self.health}
            case "GET", ["pipelines"]:
                return {"pipelines": self._filtered(self.pipelines, asked)}
            case "POST", ["pipelines"]:
                return self._add(self.pipelines, "pipeline_id", asked, "V2beta1Pipeline")
            case "POST", ["pipelines", "upload_version"]:
                return self._upload(asked, raw, kind)
            case "GET", ["pipelines", pipeline, "versions"]:
                own = [v for v in self.versions if v.pipeline_id == pipeline]
                return {"pipeline_versions": self._filtered(own, asked)}
            case "GET", ["experiments"]:
                return {"experiments": self._filtered(self.experiments, asked)}
            case "POST", ["experiments"]:
                return self._add(self.experiments, "experiment_id", asked, "V2beta1Experiment")
            case "GET", ["runs"]:
                return {"runs": self._filtered(self.runs, asked)}
            case "POST", ["runs"]:
                self._check_start(asked.body)
                return self._add(self.runs, "run_id", asked, "V2beta1Run")
            case "GET", ["runs", run]:
                return self._look(run)
            case "GET", ["recurringruns"]:
                return {"recurringRuns": self._filtered(self.recurring, asked)}
            case "POST", ["recurringruns"]:
                self._check_start(asked.body)
                check_cron(asked.body["trigger"]["cron_schedule"]["cron"])
                return self._add(self.recurring, "recurring_run_id", asked, "V2beta1RecurringRun")
            case "DELETE", ["recurringruns", recurring]:
                self.recurring.remove(one(self.recurring, "recurring_run_id", recurring))
                return {}
        raise Refused(404, "Not Found")

    def _add(self, held: list[Any], key: str, asked: Asked, model: str) -> Any:
        made = modelled(asked.body, model)
        setattr(made, key, str(uuid.uuid4()))
        made.created_at = _START + datetime.timedelta(seconds=next(self._ticks))
        held.append(made)
        return made

    def _upload(self, asked: Asked, raw: bytes, kind: str) -> Any:
        name, pipeline = asked.query["name"], asked.query["pipelineid"]
        one(self.pipelines, "pipeline_id", pipeline)
        if any((v.pipeline_id, v.display_name) == (pipeline, name) for v in self.versions):
            raise Refused(409, "Failed to create a pipeline version")
        body = {
            "pipeline_id": pipeline,
            "display_name": name,
            "description": asked.query.get("description", ""),
            "pipeline_spec": uploaded(raw, kind),
        }
        made = Asked(asked.method, asked.path, asked.query, body)
        return self._add(self.versions, "pipeline_version_id", made, "V2beta1PipelineVersion")

    def _check_start(self, body: Any) -> None:
        """Refuse what the backend refuses: an unknown version, or an unknown parameter."""
        chosen = body["pipeline_version_reference"]
        version = one(self.versions, "pipeline_version_id", chosen["pipeline_version_id"])
        one(self.experiments, "experiment_id", body["experiment_id"])
        spec = version.pipeline_spec["pipeline_spec"]
        known = spec["root"]["inputDefinitions"]["parameters"]
        if unknown := set(body["runtime_config"]["parameters"]) - set(known):
            raise Refused(400, f"invalid pipeline job inputs: {sorted(unknown)}")

    def _look(self, run_id: str) -> Any:
        run = one(self.runs, "run_id", run_id)
        if self.states:
            run.state, tasks = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            details = [
                api.V2beta1PipelineTaskDetail(display_name=name, state=state)
                for name, state in {
                    "root": "RUNNING",
                    "ingest-driver": "SUCCEEDED",
                    **tasks,
                }.items()
            ]
            run.run_details = api.V2beta1RunDetails(task_details=details)
        return run

    def _filtered(self, held: list[Any], asked: Asked) -> list[Any]:
        kept = list(held)
        for predicate in json.loads(asked.query.get("filter") or "{}").get("predicates", []):
            assert predicate["operation"] in ("EQUALS", 1)
            wanted = predicate.get("string_value", predicate.get("stringValue"))
            kept = [item for item in kept if getattr(item, predicate["key"]) == wanted]
        if asked.query.get("sort_by") == "created_at desc":
            kept.sort(key=lambda item: item.created_at, reverse=True)
        return kept[: int(asked.query.get("page_size") or 20)]


@contextmanager
def fake_kubeflow() -> Iterator[FakeKubeflow]:
    """Serve a fake until the block ends."""
    fake = FakeKubeflow()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type") or ""
            parts = urlsplit(self.path)
            body = json.loads(raw) if raw and kind.startswith("application/json") else None
            path = parts.path.removeprefix(ROOT)
            asked = Asked(self.command, path, dict(parse_qsl(parts.query)), body)
            fake.asked.append(asked)
            status, text = 200, ""
            try:
                if fake.failures and path != "healthz":
                    status, text = fake.failures.pop(0)
                else:
                    content = JSON.sanitize_for_serialization(fake.answer(asked, raw, kind))
                    text = json.dumps(content)
            except Refused as error:
                status = error.status
                text = json.dumps({"error": error.message, "code": 3, "message": error.message})
            if not status:
                fake.ended.wait()
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.ended.set()
            server.shutdown()
            thread.join()
