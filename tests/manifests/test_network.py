"""Who reaches whom: everything is denied, and each policy that allows something says what."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.rendered import Body, kinds, label, named, pods, smoke_job

METADATA_SERVICE_PORT = 80
"""Of a cloud's machine; it speaks plain HTTP, and nothing else of its kind does."""
ANYWHERE = "0.0.0.0/0"
PLATFORM = {"kube-system", "kubeflow", "envoy-gateway-system", "monitoring"}


def test_our_namespaces_deny_everything_first(docs: list[Body]) -> None:
    for namespace in kinds(docs, "Namespace"):
        policy = named(docs, "NetworkPolicy", "default-deny", namespace["metadata"]["name"])
        assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_pod_finds_its_names(docs: list[Body]) -> None:
    for namespace in kinds(docs, "Namespace"):
        named(docs, "NetworkPolicy", "dns", namespace["metadata"]["name"])


def test_outside_is_reached_over_tls_only(docs: list[Body]) -> None:
    """So the metadata service, whose credentials are the machine's, is not reached at all."""
    for policy in kinds(docs, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert rule.get("to"), label(policy)
            if any("ipBlock" in peer for peer in rule["to"]):
                ports = {port["port"] for port in rule["ports"]}
                assert ports <= {443, 6443, 8443}, label(policy)
                assert METADATA_SERVICE_PORT not in ports


def test_on_one_machine_only_the_steps_reach_outside(minikube: list[Body]) -> None:
    assert _reaching_out(minikube) == {"NetworkPolicy kubeflow/readmission-steps"}


def test_in_the_cloud_what_uses_s3_reaches_it(ec2: list[Body]) -> None:
    assert _reaching_out(ec2) == {
        "NetworkPolicy kubeflow/readmission-steps",
        "NetworkPolicy mlflow/mlflow-object-store",
        "NetworkPolicy serving/predictor-object-store",
    }


def test_the_database_is_mlflows(docs: list[Body]) -> None:
    (rule,) = named(docs, "NetworkPolicy", "postgres", "mlflow")["spec"]["ingress"]
    (peer,) = rule["from"]
    (expression,) = peer["podSelector"]["matchExpressions"]
    assert peer.keys() == {"podSelector"}
    assert expression["values"] == ["mlflow", "postgres-backup"]
    assert rule["ports"] == [{"port": 5432}]


def test_the_registry_is_the_pipelines(docs: list[Body]) -> None:
    (rule,) = named(docs, "NetworkPolicy", "mlflow", "mlflow")["spec"]["ingress"]
    assert list(_namespaces(rule["from"])) == ["kubeflow"]
    assert rule["ports"] == [{"port": 5000}]


def test_the_predictor_is_reached_through_the_gateway_and_by_the_steps(docs: list[Body]) -> None:
    rules = named(docs, "NetworkPolicy", "predictor", "serving")["spec"]["ingress"]
    reached = [name for rule in rules for name in _namespaces(rule["from"])]
    assert reached == ["envoy-gateway-system", "kubeflow"]


def test_who_is_let_out_is_let_in(docs: list[Body]) -> None:
    """Each rule of egress to pods of ours has its counterpart at those pods."""
    policies = kinds(docs, "NetworkPolicy")
    for policy in policies:
        for rule in policy["spec"].get("egress", []):
            for peer in rule["to"]:
                labels = peer.get("podSelector", {}).get("matchLabels")
                if labels and "k8s-app" not in labels and "ports" in rule:
                    ports = {port["port"] for port in rule["ports"]}
                    assert ports <= _open(policies, labels), (label(policy), labels)


def test_a_policy_selects_pods_that_are_there(docs: list[Body]) -> None:
    made = [
        doc["spec"]["template"]["metadata"]["labels"]
        for doc in [*kinds(docs, "Deployment", "StatefulSet"), smoke_job()]
    ]
    jobs = [doc["spec"]["jobTemplate"]["spec"]["template"] for doc in kinds(docs, "CronJob")]
    made += [job["metadata"]["labels"] for job in jobs]
    # What KServe and KubeRay put on the pods that they make.
    made += [
        {"serving.kserve.io/inferenceservice": "readmission"},
        {"ray.io/cluster": "readmission"},
    ]
    assert list(pods(docs))
    for policy in kinds(docs, "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"].get("matchLabels", {}).items()
        assert any(wanted <= labels.items() for labels in made), label(policy)


def test_a_policy_names_namespaces_that_are_there(docs: list[Body]) -> None:
    made = {namespace["metadata"]["name"] for namespace in kinds(docs, "Namespace")}
    for policy in kinds(docs, "NetworkPolicy"):
        assert policy["metadata"]["namespace"] in made | PLATFORM
        for rule in (*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])):
            peers = [peer for peer in _peers(rule) if "namespaceSelector" in peer]
            assert set(_namespaces(peers)) <= made | PLATFORM, label(policy)


def _peers(rule: Body) -> list[Body]:
    return [*rule.get("from", []), *rule.get("to", [])]


def _reaching_out(docs: list[Body]) -> set[str]:
    return {
        label(policy)
        for policy in kinds(docs, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") == ANYWHERE
    }


def _namespaces(peers: list[Body]) -> Iterator[str]:
    for peer in peers:
        yield peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]


def _open(policies: list[Body], labels: dict[str, str]) -> set[int]:
    return {
        port["port"]
        for policy in policies
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()
        for rule in policy["spec"].get("ingress", [])
        for port in rule.get("ports", [])
    }
