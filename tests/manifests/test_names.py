"""Names and numbers that stand in more than one place: manifests, settings and code agree."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import yaml
from manifests.rendered import MANIFESTS, ROOT, Body, kinds, named, predictor_pod, smoke_job

from components.deployment.kserve import NAMESPACE, manifest
from components.deployment.target import Revision
from components.registry import MODEL
from components.settings import Settings, TargetName
from pipelines import cluster
from serving.__main__ import _parser

PREFIX = "HEALTH_PREDICT_"
GIVEN_TO_EACH_RUN = {"run_id"}
REVISION = Revision("7", f"s3://bucket/bundles/sha256-{'0' * 64}", "run-1")


def test_the_settings_are_the_fields_of_the_code(docs: list[Body]) -> None:
    given = {name.removeprefix(PREFIX).lower(): value for name, value in _settings(docs).items()}
    fields = Settings.model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    assert required - GIVEN_TO_EACH_RUN <= given.keys() <= fields.keys() - GIVEN_TO_EACH_RUN
    values: dict[str, Any] = {"run_id": "run-1", **given}
    assert Settings(**values).deploy_target is TargetName.KSERVE


def test_the_settings_hold_no_secret(docs: list[Body]) -> None:
    assert f"{PREFIX}NOTIFY_WEBHOOK" not in _settings(docs)


def test_mlflow_is_where_the_settings_say_and_answers_to_that_name(docs: list[Body]) -> None:
    address = urlsplit(_settings(docs)[f"{PREFIX}TRACKING_URI"])
    name, namespace, *domain = (address.hostname or "").split(".")
    assert domain == ["svc", "cluster", "local"]
    service = named(docs, "Service", name, namespace)
    assert [port["port"] for port in service["spec"]["ports"]] == [address.port]
    arguments = _mlflow(docs)["args"]
    (allowed,) = (a.split("=", 1)[1] for a in arguments if a.startswith("--allowed-hosts="))
    assert address.netloc in allowed.split(",")
    assert f"--port={address.port}" in arguments


def test_what_the_pipeline_names_is_there(minikube: list[Body]) -> None:
    named(minikube, "ServiceAccount", cluster.SERVICE_ACCOUNT, "kubeflow")
    named(minikube, "ConfigMap", cluster.SETTINGS, "kubeflow")
    place = named(minikube, "ConfigMap", cluster.OBJECT_STORE, "kubeflow")
    keys = named(minikube, "Secret", cluster.STORE_SECRET, "kubeflow")
    assert place["data"].keys() == {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"}
    assert keys["data"].keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_policies_find_the_steps_by_the_label_that_they_carry(docs: list[Body]) -> None:
    policy = named(docs, "NetworkPolicy", "readmission-steps", "kubeflow")
    label, value = cluster.LABEL
    assert policy["spec"]["podSelector"]["matchLabels"] == {label: value}
    template = smoke_job()["spec"]["template"]
    assert template["metadata"]["labels"] == {label: value}


def test_the_endpoint_is_the_one_that_the_code_releases_to(docs: list[Body]) -> None:
    service = named(docs, "InferenceService", MODEL, NAMESPACE)
    predictor = service["spec"]["predictor"]
    released = manifest.revision(REVISION)
    assert service["apiVersion"] == released["apiVersion"]
    assert service["metadata"]["annotations"] == manifest.STANDARD
    wanted = released["spec"]["predictor"]["model"]
    assert predictor["model"] == {key: wanted[key] for key in ("runtime", "modelFormat")}
    runtime = named(docs, "ServingRuntime", predictor["model"]["runtime"], NAMESPACE)
    formats = [entry["name"] for entry in runtime["spec"]["supportedModelFormats"]]
    assert formats == [predictor["model"]["modelFormat"]["name"]]
    named(docs, "ServiceAccount", predictor["serviceAccountName"], NAMESPACE)


def test_the_manifests_hold_nothing_that_a_release_owns(docs: list[Body]) -> None:
    """A field with two owners could be changed by neither alone."""
    spec = named(docs, "InferenceService", MODEL, NAMESPACE)["spec"]
    owned = manifest.stable(REVISION, "v7")
    shared = _leaves(owned) & _leaves(spec["predictor"])
    assert shared == set()
    assert "canary" not in spec


def test_the_server_takes_its_arguments_and_listens_where_kserve_asks(docs: list[Body]) -> None:
    container = predictor_pod(docs)["containers"][0]
    options = _parser().parse_args(container["args"])
    ports = [port["containerPort"] for port in container["ports"]]
    assert [options.port, options.grpc_port] == ports
    assert (options.host, options.bundle) == ("0.0.0.0", "/mnt/models")
    assert container["name"] == "kserve-container"
    assert container["ports"][1]["name"].startswith("h2c")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == options.port
    ready = f"/v2/models/{MODEL}/ready"
    assert container["readinessProbe"]["httpGet"]["path"] == ready
    assert container["startupProbe"]["httpGet"]["path"] == ready


def test_the_image_runs_as_the_user_and_listens_on_the_ports_of_the_pod(docs: list[Body]) -> None:
    lines = (ROOT / "serving/Dockerfile").read_text().splitlines()
    said = dict(line.split(" ", 1) for line in lines if line.startswith(("USER ", "EXPOSE ")))
    container = predictor_pod(docs)["containers"][0]
    context = container["securityContext"]
    assert said["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert said["EXPOSE"].split() == [str(port["containerPort"]) for port in container["ports"]]


def test_metrics_are_scraped_where_the_server_gives_them(docs: list[Body]) -> None:
    spec = named(docs, "ServingRuntime", MODEL, NAMESPACE)["spec"]
    port = spec["containers"][0]["ports"][0]
    assert spec["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    for monitor in kinds(docs, "PodMonitor"):
        assert [e["port"] for e in monitor["spec"]["podMetricsEndpoints"]] == [port["name"]]


def test_kserve_routes_through_the_gateway_that_is_there(docs: list[Body]) -> None:
    values = yaml.safe_load((MANIFESTS / "platform/kserve/values.yaml").read_text())
    controller = values["kserve"]["controller"]
    namespace, name = controller["gateway"]["ingressGateway"]["kserveGateway"].split("/")
    gateway = named(docs, "Gateway", name, namespace)
    path = MANIFESTS / "platform/gateway/gateway-class.yaml"
    gateway_class = yaml.safe_load(path.read_text())
    assert gateway["spec"]["gatewayClassName"] == gateway_class["metadata"]["name"]
    annotation = manifest.STANDARD["serving.kserve.io/deploymentMode"]
    assert controller["deploymentMode"] == annotation
    assert controller["gateway"]["ingressGateway"]["enableGatewayApi"] is True


def test_the_fetcher_of_bundles_finds_the_object_store(minikube: list[Body]) -> None:
    secret = named(minikube, "Secret", "s3-serving", NAMESPACE)
    endpoint = secret["metadata"]["annotations"]["serving.kserve.io/s3-endpoint"]
    place = named(minikube, "ConfigMap", cluster.OBJECT_STORE, "kubeflow")["data"]
    assert f"http://{endpoint}" == place["AWS_ENDPOINT_URL"]
    account = named(minikube, "ServiceAccount", MODEL, NAMESPACE)
    assert account["secrets"] == [{"name": "s3-serving"}]
    host, port = endpoint.split(":")
    name, namespace, *_ = host.split(".")
    service = named(minikube, "Service", name, namespace)
    assert [entry["port"] for entry in service["spec"]["ports"]] == [int(port)]


def _settings(docs: list[Body]) -> dict[str, str]:
    found: dict[str, str] = named(docs, "ConfigMap", cluster.SETTINGS, "kubeflow")["data"]
    return found


def _mlflow(docs: list[Body]) -> Body:
    deployment = named(docs, "Deployment", "mlflow", "mlflow")
    found: Body = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def _leaves(body: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(body, dict):
        return {path}
    return {leaf for key, value in body.items() for leaf in _leaves(value, (*path, key))}
