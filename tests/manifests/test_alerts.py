"""Alerts speak of metrics that somebody gives."""

from __future__ import annotations

import re

from manifests.rendered import Body, kinds, label, named
from prometheus_client import REGISTRY

import serving.metrics  # noqa: F401  # registers the server's own

METRIC = re.compile(r"\b([a-z_]+)\{")
KUBERNETES = {
    "kube_cronjob_created", "kube_cronjob_status_last_successful_time",
    "kube_deployment_status_replicas_available",
    "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
}  # fmt: skip
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def test_every_metric_of_an_alert_is_given(ec2: list[Body]) -> None:
    given = {
        metric.name + suffix
        for metric in REGISTRY.collect()
        for suffix in SUFFIXES.get(metric.type, ("",))
    }
    unknown = {
        f"{rule['alert']}: {name}"
        for rule in _rules(ec2)
        for name in METRIC.findall(rule["expr"])
        if name not in given | KUBERNETES
    }
    assert unknown == set()


def test_an_alert_names_the_namespaces_of_the_manifests(ec2: list[Body]) -> None:
    known = {doc["metadata"]["name"] for doc in kinds(ec2, "Namespace")} | {"kubeflow"}
    for rule in _rules(ec2):
        matchers = re.findall(r'namespace=~?"([^"]+)"', rule["expr"])
        assert matchers, rule["alert"]
        assert {name for matcher in matchers for name in matcher.split("|")} <= known


def test_an_alert_waits_and_says_what_to_look_at(ec2: list[Body]) -> None:
    names = [rule["alert"] for rule in _rules(ec2)]
    assert len(set(names)) == len(names) >= 9
    for rule in _rules(ec2):
        assert rule["for"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")


def test_a_watched_job_and_deployment_are_there(ec2: list[Body]) -> None:
    text = " ".join(rule["expr"] for rule in _rules(ec2))
    for kind, label_name in (("CronJob", "cronjob"), ("Deployment", "deployment")):
        for name in re.findall(rf'\b{label_name}="([^"]+)"', text):
            named(ec2, kind, name, "mlflow")


def _rules(docs: list[Body]) -> list[Body]:
    found = [
        rule
        for doc in kinds(docs, "PrometheusRule")
        for group in doc["spec"]["groups"]
        for rule in group["rules"]
    ]
    assert found, [label(doc) for doc in docs]
    return found
