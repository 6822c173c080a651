# shellcheck shell=bash
# What the scripts here share. Sourced, not run.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
	echo "error: bash $BASH_VERSION is too old; install 4.4 or newer (macOS: brew install bash)" >&2
	exit 2
fi

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # read by those who source it
HOST_NAME=readmission-serving.health-predict.internal

# shellcheck source=manifests/platform/versions.env
. "$ROOT/manifests/platform/versions.env"

fail() { # what, where, what to do
	echo "error: $*" >&2
	exit 1
}

usage() { # how it is called
	echo "usage: $*" >&2
	exit 2
}

say() { printf '== %s\n' "$*"; }

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || fail "$tool is not on the PATH; install it, then run this again"
	done
}

check_cluster() {
	local context
	context=$(kubectl config current-context 2>/dev/null) ||
		fail "kubectl names no cluster; start one with cluster/bootstrap/laptop.sh, or set KUBECONFIG"
	kubectl get --raw /readyz --request-timeout=15s >/dev/null 2>&1 ||
		fail "the cluster of context $context does not answer; start it (minikube start) or choose another context"
}

# Forward a free port of loopback to one of the cluster, until the script ends; sets FORWARDED.
forward() { # namespace, object, port
	local line='' said
	exec {said}< <(exec kubectl -n "$1" port-forward --address 127.0.0.1 "$2" ":$3" 2>&1)
	FORWARDER=$!
	trap 'kill "$FORWARDER" 2>/dev/null || true' EXIT
	read -r -t 30 -u "$said" line || true
	[[ $line =~ ^Forwarding\ from\ (127\.0\.0\.1:[0-9]+) ]] ||
		fail "$1 $2: port $3 cannot be forwarded (${line:-no answer in 30 s}); look at: kubectl -n $1 get pods"
	# shellcheck disable=SC2034
	FORWARDED=http://${BASH_REMATCH[1]}
}
