"""doctor.sh among fakes: one line for each check, what to do where something is wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from bootstrap.fakes import Sandbox
from manifests.versions import versions

KNOWN = versions()
CRDS = (
    "certificates.cert-manager.io", "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io", "envoyproxies.gateway.envoyproxy.io",
    "inferenceservices.serving.kserve.io", "servingruntimes.serving.kserve.io",
    "workflows.argoproj.io", "applications.app.k8s.io",
)  # fmt: skip
KUBECTL = """
version='{"gitVersion": "__VERSION__"}'
case "$*" in
*port-forward*) echo "Forwarding from 127.0.0.1:41234 -> 80"; exec tail -f /dev/null ;;
"config current-context") echo minikube ;;
*readyz*) [[ -z ${DOWN:-} ]] ;;
"version --client"*) echo "${CLIENT:-$version}" ;;
*"--raw /version") echo "$version" ;;
*"get nodes"*) echo "minikube ${NODE:-True}" ;;
*"get crd"*)
	for name in __CRDS__; do
		[[ $name == "${NO_CRD:-}" ]] || echo "customresourcedefinition.apiextensions.k8s.io/$name"
	done ;;
*certificates*) echo "kserve/serving-cert ${CERTIFICATE:-True}" ;;
*"get pods"*) [[ -z ${POD:-} ]] || echo "$POD" ;;
*"get events"*) echo "FailedScheduling: 0/1 nodes are available" ;;
*storageUri*) echo "${MODEL-s3://bucket/bundles/sha256-0}" ;;
*"get inferenceservice"*) echo "${READY:-True}" ;;
*owning-gateway-name*) echo envoy-serving ;;
esac
""".replace("__VERSION__", KNOWN["KUBERNETES_VERSION"]).replace("__CRDS__", " ".join(CRDS))
ADDONS = '{"metrics-server":{"Status":"enabled"},"storage-provisioner":{"Status":"enabled"},'
MINIKUBE = f"""
case "$*" in
version*) echo {KNOWN["MINIKUBE_VERSION"]} ;;
addons*) echo '{ADDONS}"default-storageclass":{{"Status":"'${{ADDON:-enabled}}'"}}}}' ;;
esac
"""
CHARTS = " ".join(
    f"{KNOWN[f'{chart}_CHART'].rsplit('/', 1)[-1]}-{version}"
    for chart, version in (
        ("CERT_MANAGER", KNOWN["CERT_MANAGER_VERSION"]),
        ("ENVOY_GATEWAY", KNOWN["ENVOY_GATEWAY_VERSION"]),
        ("KSERVE_CRD", KNOWN["KSERVE_VERSION"]),
        ("KSERVE", KNOWN["KSERVE_VERSION"]),
    )
)
HELM = f"""
for c in {CHARTS}; do
	[[ $c == *"${{NO_CHART:-none}}"* ]] || echo "x y 1 now deployed $c"
done
"""
DF = 'echo head; echo "/dev/x 1 1 ${FREE:-99999999} 1% /"'
MACHINE = """
case "$*" in
*MemTotal*) echo "${TOTAL:-31}" ;;
*MemAvailable*) echo "${SPARE:-9999}" ;;
*) exec /usr/bin/awk "$@" ;;
esac
"""


@pytest.fixture
def healthy(sandbox: Sandbox) -> Sandbox:
    """Return the scripts on a machine where all is well."""
    for tool in ("skaffold", "git", "make", "python3.11", "docker"):
        sandbox.fake(tool)
    fakes = {
        "kubectl": KUBECTL, "minikube": MINIKUBE, "helm": HELM, "df": DF, "awk": MACHINE,
        "curl": 'case "$*" in *41234*) exit "${ANSWER:-0}" ;; *) exit "${PORTS:-0}" ;; esac',
        "systemctl": "exit 1",
    }  # fmt: skip
    for name, answer in fakes.items():
        sandbox.fake(name, answer)
    return sandbox


def test_where_all_is_well_it_says_so(healthy: Sandbox) -> None:
    done = healthy.run("doctor.sh")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert lines[-1] == "all is well"
    assert len(lines) > 35
    assert all(line.startswith("ok     ") for line in lines[:-1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"NODE": "False"}, "node minikube: kubectl describe node minikube says why"),
        ({"NODE": "True DiskPressure"}, "node minikube, DiskPressure: kubectl describe"),
        ({"NO_CRD": CRDS[4]}, f"kind {CRDS[4]}: cluster/bootstrap/install.sh installs it"),
        ({"CERTIFICATE": "False"}, "certificate kserve/serving-cert: kubectl -n kserve describe"),
        ({"POD": "mlflow mlflow-0 Pending"}, "pod mlflow/mlflow-0, Pending: FailedScheduling: 0/1"),
        ({"READY": "False"}, "InferenceService readmission: kubectl -n serving describe"),
        ({"ANSWER": "22"}, "the endpoint answers through the gateway: look at: "),
        ({"ADDON": "disabled"}, "addon default-storageclass: minikube addons enable"),
        ({"NO_CHART": "gateway-helm"}, "chart gateway-helm v"),
        ({"CLIENT": '{"gitVersion": "v1.31.0"}'}, "kubectl v1.31.0: it goes with servers one"),
        ({"FREE": "1048576"}, "disk, 1 GiB free: 10 GiB are needed"),
        ({"TOTAL": "7"}, "memory, 7 GiB: the whole stack"),
        ({"SPARE": "100"}, "memory, 100 MiB to spare: pods will be ended"),
        ({"DOWN": "1"}, "the cluster of context minikube does not answer: start it"),
    ],
)
def test_what_is_wrong_is_one_line_and_the_exit_code(
    healthy: Sandbox, change: dict[str, str], said: str
) -> None:
    healthy.environment |= change
    done = healthy.run("doctor.sh")
    assert done.returncode == 1
    assert done.stderr == ""
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 1, done.stdout
    assert wrong[0].startswith(f"WRONG  {said}")
    assert done.stdout.splitlines()[-1] == "1 wrong"


def test_a_missing_tool_is_named(healthy: Sandbox) -> None:
    (healthy.fakes / "skaffold").unlink()
    assert "WRONG  tool skaffold: install it" in healthy.run("doctor.sh").stdout


def test_before_the_first_release_the_endpoints_pods_are_not_missed(healthy: Sandbox) -> None:
    healthy.environment |= {"MODEL": "", "POD": "serving readmission-predictor-1 Running"}
    healthy.fake("curl", 'case "$*" in */v2/*) exit 22 ;; esac')
    done = healthy.run("doctor.sh")
    assert done.returncode == 0, done.stdout
    assert "nothing is released yet" in done.stdout
    assert "8081" not in done.stdout


def test_a_port_that_nobody_forwards_says_how(healthy: Sandbox) -> None:
    healthy.environment["PORTS"] = "7"
    lines = healthy.run("doctor.sh").stdout.splitlines()
    found = [line for line in lines if "port 5000" in line or "port 8081" in line]
    assert found[1].endswith("-n envoy-gateway-system port-forward svc/envoy-serving 8081:80")
    assert "kubectl -n mlflow port-forward svc/mlflow 5000:5000" in found[0]


def test_a_port_that_a_unit_should_forward_is_wrong(healthy: Sandbox) -> None:
    healthy.environment["PORTS"] = "7"
    healthy.fake("systemctl")
    found = [line for line in healthy.run("doctor.sh").stdout.splitlines() if "8080" in line]
    assert found[0].startswith("WRONG  port 8080 ")


@pytest.fixture
def taken() -> Iterator[None]:
    """Take port 8081, unless somebody has it already."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8081))
        except OSError:
            pytest.skip("port 8081 of this machine is taken")
        taken.listen()
        yield


@pytest.mark.usefixtures("taken")
def test_a_port_that_another_has_is_wrong(healthy: Sandbox) -> None:
    healthy.environment["PORTS"] = "7"
    found = [line for line in healthy.run("doctor.sh").stdout.splitlines() if "port 8081" in line]
    assert found[0].startswith("WRONG  port 8081: what listens there does not answer as endpoint; ")
