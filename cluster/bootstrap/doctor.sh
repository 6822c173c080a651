#!/usr/bin/env bash
# Say what is wrong with this machine and its cluster, one line each, and what to do:
#   cluster/bootstrap/doctor.sh
# Exit code 1 when something is wrong. It changes nothing. No "set -e": each check stands alone.
set -uo pipefail
# shellcheck source=cluster/bootstrap/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $# == 0 ]] || usage "$0"

DISK_GIB=10 MEMORY_GIB=15 SPARE_MIB=1024
ADDONS=(metrics-server storage-provisioner default-storageclass)
CRDS=(
	certificates.cert-manager.io
	gateways.gateway.networking.k8s.io httproutes.gateway.networking.k8s.io
	envoyproxies.gateway.envoyproxy.io
	inferenceservices.serving.kserve.io servingruntimes.serving.kserve.io
	workflows.argoproj.io applications.app.k8s.io
)
INSTALL="cluster/bootstrap/install.sh installs it"
count=0

ok() { printf 'ok     %s\n' "$1"; }

wrong() { # what, what to do
	printf 'WRONG  %s: %s\n' "$1" "$2"
	count=$((count + 1))
}

judge() { # what, what to do, and the command that succeeds where all is well
	if "${@:3}" >/dev/null 2>&1; then ok "$1"; else wrong "$1" "$2"; fi
}

contains() { grep -q -- "$2" <<<"$1"; } # text, pattern

tools() {
	local tool
	for tool in kubectl helm skaffold docker git make curl "${PYTHON:-python3.11}"; do
		judge "tool $tool" "install it" command -v "$tool"
	done
	judge "Docker answers" "start it, and add $(id -un) to the group docker" docker version
	judge "Docker's buildx" "install the plugin docker-buildx" docker buildx version
}

disk() {
	local folder free
	folder=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
	# Where Docker's own folder may not be looked at, the top of the file system has to do.
	free=$(df -Pk "$folder" 2>/dev/null || df -Pk /)
	free=$(awk 'NR == 2 {print int($4 / 1048576)}' <<<"$free")
	judge "disk, $free GiB free" "$DISK_GIB GiB are needed; free some: minikube ssh -- docker image prune -af" \
		test "$free" -ge "$DISK_GIB"
}

memory() {
	local total spare
	[[ -r /proc/meminfo ]] || return 0
	total=$(awk '$1 == "MemTotal:" {print int($2 / 1048576)}' /proc/meminfo)
	spare=$(awk '$1 == "MemAvailable:" {print int($2 / 1024)}' /proc/meminfo)
	judge "memory, $total GiB" "the whole stack with a run needs 16 GiB; take a larger machine" test "$total" -ge "$MEMORY_GIB"
	judge "memory, $spare MiB to spare" "pods will be ended; look at: kubectl top pods -A --sort-by memory" test "$spare" -ge "$SPARE_MIB"
}

ports() {
	local gateway
	gateway=$(gateway_service)
	port 5000 mlflow /health "kubectl -n mlflow port-forward svc/mlflow 5000:5000"
	port 8080 dashboard /apis/v2beta1/healthz "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80"
	# Without a model there is no route, and whoever forwards the port gets an error.
	[[ -z $model ]] || port 8081 endpoint /v2/health/live "kubectl -n envoy-gateway-system port-forward svc/${gateway:-NONE-YET} 8081:80"
}

port() { # number, who, path, how to forward it
	if fetch "http://127.0.0.1:$1$3"; then
		ok "port $1, $2 answers"
	elif (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
		wrong "port $1" "what listens there does not answer as $2; end it, then: $4"
	elif systemctl is-enabled "forward@$2" >/dev/null 2>&1; then
		wrong "port $1 is not forwarded to $2" "journalctl -u forward@$2 says why; systemctl restart forward@$2"
	else
		ok "port $1 is free; $2 is had by: $4"
	fi
}

fetch() { curl --noproxy '*' --silent --fail --output /dev/null --max-time 10 --header "Host: $(host_of "$1")" "$1"; }

host_of() { # the gateway knows its host's name, the others that of their port
	local rest=${1#http://}
	if [[ $1 == */v2/* ]]; then echo "$HOST_NAME"; else echo "${rest%%/*}"; fi
}

gateway_service() {
	kubectl -n envoy-gateway-system get service -l gateway.envoyproxy.io/owning-gateway-name=readmission \
		-o 'jsonpath={.items[0].metadata.name}' 2>/dev/null
}

git_version() { sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p' | head -n 1; }
minor() { cut -d. -f2 <<<"$1"; }

versions() {
	local client server away
	client=$(kubectl version --client -o json 2>/dev/null | git_version)
	server=$(kubectl get --raw /version 2>/dev/null | git_version)
	judge "Kubernetes $server" "the platform was made for $KUBERNETES_VERSION" contains "$server" "^${KUBERNETES_VERSION%.*}\."
	away=$(($(minor "${client:-v1.0}") - $(minor "${server:-v1.0}")))
	judge "kubectl $client" "it goes with servers one minor version away; install $KUBERNETES_VERSION" test "${away#-}" -le 1
	chart "$CERT_MANAGER_CHART" "$CERT_MANAGER_VERSION"
	chart "$ENVOY_GATEWAY_CHART" "$ENVOY_GATEWAY_VERSION"
	chart "$KSERVE_CRD_CHART" "$KSERVE_VERSION"
	chart "$KSERVE_CHART" "$KSERVE_VERSION"
}

chart() { # address, version
	judge "chart ${1##*/} $2" "helm lists no such release that is deployed; $INSTALL" contains "$releases" "deployed.*${1##*/}-$2"
}

minikube_itself() {
	local found addon list
	[[ $context == "${MINIKUBE_PROFILE:-minikube}" ]] || return 0
	found=$(minikube version --short 2>/dev/null)
	judge "Minikube $found" "the scripts were written for $MINIKUBE_VERSION; install that" test "$found" = "$MINIKUBE_VERSION"
	list=$(minikube addons list -o json 2>/dev/null | tr -d '\n ')
	for addon in "${ADDONS[@]}"; do
		judge "addon $addon" "minikube addons enable $addon" contains "$list" "\"$addon\":{[^}]*\"Status\":\"enabled\""
	done
	judge "Calico, which keeps the network policies" \
		"the cluster was made without it; back up, minikube delete, then cluster/bootstrap/laptop.sh" \
		kubectl -n kube-system get daemonset calico-node
}

nodes() {
	local name ready pressure
	while read -r name ready pressure; do
		judge "node $name${pressure:+, $pressure}" "kubectl describe node $name says why" test "$ready$pressure" = True
	done < <(kubectl get nodes -o go-template='{{range .items}}{{.metadata.name}}{{range .status.conditions}}{{if eq .type "Ready"}} {{.status}}{{end}}{{end}}{{range .status.conditions}}{{if and (ne .type "Ready") (eq .status "True")}} {{.type}}{{end}}{{end}}{{"\n"}}{{end}}')
}

crds() {
	local found name
	found=$(kubectl get crd -o name 2>/dev/null)
	for name in "${CRDS[@]}"; do
		judge "kind $name" "$INSTALL" contains "$found" "/$name$"
	done
}

certificates() {
	local name ready
	while read -r name ready; do
		judge "certificate $name" "kubectl -n ${name%/*} describe certificate ${name#*/} says why" test "$ready" = True
	done < <(kubectl get certificates.cert-manager.io -A -o go-template='{{range .items}}{{.metadata.namespace}}/{{.metadata.name}}{{range .status.conditions}}{{if eq .type "Ready"}} {{.status}}{{end}}{{end}}{{"\n"}}{{end}}' 2>/dev/null)
}

# Not those of runs and jobs, which have ended, nor the placeholders of an endpoint without a model.
# shellcheck disable=SC2016 # a template's own variables
PODS='{{range .items}}{{$skip := eq .status.phase "Succeeded"}}{{range .metadata.ownerReferences}}{{if or (eq .kind "Workflow") (eq .kind "Job")}}{{$skip = true}}{{end}}{{end}}{{range .status.conditions}}{{if and (eq .type "Ready") (eq .status "True")}}{{$skip = true}}{{end}}{{end}}{{if not $skip}}{{.metadata.namespace}} {{.metadata.name}} {{.status.phase}}{{"\n"}}{{end}}{{end}}'

pods() {
	local namespace name phase before=$count
	while read -r namespace name phase; do
		[[ $namespace != serving || -n $model ]] || continue
		wrong "pod $namespace/$name, $phase" "$(why "$namespace" "$name")"
	done < <(kubectl get pods -A -o go-template="$PODS")
	((count > before)) || ok "pods are ready"
}

why() { # namespace, pod
	local said
	said=$(kubectl -n "$1" get events --field-selector "involvedObject.name=$2,type=Warning" \
		--sort-by=.lastTimestamp -o 'jsonpath={.items[-1:].reason}: {.items[-1:].message}' 2>/dev/null | tr '\n' ' ')
	[[ $said == ': ' || -z $said ]] && said="no warning"
	echo "${said:0:300}; more: kubectl -n $1 describe pod $2"
}

endpoint() {
	local ready
	if [[ -z $model ]]; then
		ok "endpoint; nothing is released yet: .venv/bin/health-predict submit --wait --host http://127.0.0.1:8080"
		return
	fi
	ready=$(kubectl -n serving get inferenceservice readmission -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)
	judge "InferenceService readmission" "kubectl -n serving describe inferenceservice readmission says why" test "$ready" = True
	judge "the endpoint answers through the gateway" "look at: kubectl -n serving get gateway,httproute,pods" asked
}

# In a process of its own, which ends with its forwarding.
asked() (forward envoy-gateway-system "service/$(gateway_service)" 80 && fetch "$FORWARDED/v2/models/readmission/ready")

tools
disk
memory
context=$(kubectl config current-context 2>/dev/null)
if kubectl get --raw /readyz --request-timeout=15s >/dev/null 2>&1; then
	ok "the cluster of context $context answers"
	releases=$(helm list --all-namespaces 2>/dev/null)
	model=$(kubectl -n serving get inferenceservice readmission -o 'jsonpath={.spec.predictor.model.storageUri}' 2>/dev/null)
	ports
	versions
	minikube_itself
	nodes
	crds
	certificates
	pods
	endpoint
else
	wrong "the cluster of context ${context:-(none)} does not answer" "start it: cluster/bootstrap/laptop.sh, on EC2 systemctl start minikube"
fi
((count == 0)) || { echo "$count wrong"; exit 1; }
echo "all is well"
