#!/usr/bin/env bash
# The whole product on this machine's Minikube: start it, then install everything.
#   cluster/bootstrap/laptop.sh
# MINIKUBE_CPUS and MINIKUBE_MEMORY (MiB) say how much of it the cluster may have; all of it
# otherwise, less 2 GiB.
set -euo pipefail
# shellcheck source=cluster/bootstrap/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $# == 0 ]] || usage "$0"

need minikube kubectl docker
# Roles of AWS are for EC2: here the object store is in the cluster, and tokens need no issuer.
export KUBERNETES_VERSION MINIKUBE_VERSION OIDC_ISSUER=''
say "Minikube, Kubernetes $KUBERNETES_VERSION"
"$ROOT/cluster/node/minikube-start"
exec "$ROOT/cluster/bootstrap/install.sh" --overlay minikube
