#!/usr/bin/env bash
# Install, or bring up to date, everything on the cluster that kubectl names:
#   cluster/bootstrap/install.sh [--overlay minikube|ec2|eks]
# To run it again is safe: what is there and has not changed stays as it is.
set -euo pipefail
# shellcheck source=cluster/bootstrap/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
USAGE="$0 [--overlay minikube|ec2|eks]"
PYTHON=${PYTHON:-python3.11}
export SKAFFOLD_INTERACTIVE=false SKAFFOLD_UPDATE_CHECK=false

arguments() {
	OVERLAY=minikube
	while (($#)); do
		[[ $1 == --overlay && $# -ge 2 ]] || usage "$USAGE"
		OVERLAY=$2
		shift 2
	done
	# The overlay of EKS is that of EC2 with three things changed; it has no secrets of its own.
	case $OVERLAY in
	minikube) GIVEN=$ROOT/manifests/overlays/minikube PROFILES=standing ;;
	ec2) GIVEN=$ROOT/manifests/overlays/ec2 PROFILES=standing,ec2 ;;
	eks) GIVEN=$ROOT/manifests/overlays/ec2 PROFILES=standing,eks ;;
	*) usage "$USAGE" ;;
	esac
}

check_tools() {
	need kubectl helm skaffold docker git make "$PYTHON"
	[[ $OVERLAY == eks ]] || need minikube
	docker version >/dev/null 2>&1 || fail "Docker does not answer to $USER; start it, and add the user to the group docker"
	docker buildx version >/dev/null 2>&1 || fail "Docker has no BuildKit; install its buildx plugin (docker-buildx), then run this again"
	[[ $OVERLAY != eks || -n ${SKAFFOLD_DEFAULT_REPO:-} ]] ||
		fail "SKAFFOLD_DEFAULT_REPO is not set; export the registry: terraform -chdir=cluster output -raw ecr_registry"
}

# The wrong cluster of several would be changed; EKS's contexts have no name that is known here.
check_context() {
	local wanted=${MINIKUBE_PROFILE:-minikube} found
	found=$(kubectl config current-context)
	[[ $OVERLAY == eks || $found == "$wanted" ]] ||
		fail "kubectl's context is $found, not $wanted; choose it: kubectl config use-context $wanted"
}

check_cloud() {
	local file=$GIVEN/cloud/cloud.env name
	[[ -e $file.example ]] || return 0
	[[ -e $file ]] || fail "$file is not there; write it: terraform -chdir=cluster output -raw cloud_env >$file"
	while IFS='=' read -r name _; do
		[[ $name =~ ^[A-Z_]+$ ]] || continue
		grep -q "^$name=." "$file" || fail "$file has no $name; write it again: terraform -chdir=cluster output -raw cloud_env >$file"
	done <"$file.example"
}

secrets() {
	"$ROOT/manifests/generate-secrets" "$ROOT/manifests/platform/pipelines"
	"$ROOT/manifests/generate-secrets" "$GIVEN"
}

chart() { # name, namespace, chart, version, folder of its values, more options
	helm upgrade --install "$1" "$3" --version "$4" --namespace "$2" --create-namespace \
		--values "$ROOT/manifests/platform/$5/values.yaml" --wait --timeout 15m "${@:6}"
}

# Whether the overlay takes that folder of manifests/components.
takes() { grep -q "^ *- .*/components/$1\$" "$GIVEN/kustomization.yaml"; }

# skaffold.yaml lists the charts and their order, and waits for each and for the Deployments.
platform() {
	[[ $OVERLAY != eks ]] || kubectl apply --server-side -k "$ROOT/manifests/overlays/eks/storage"
	skaffold run -m platform
	# After cert-manager, which signs its certificate, and before the pods that need a role.
	[[ $OVERLAY != ec2 ]] || pod_identity
	# Before what the overlay has of their kinds.
	! takes prometheus || chart prometheus monitoring "$PROMETHEUS_CHART" "$PROMETHEUS_VERSION" prometheus
	! takes kuberay || ray_operator
}

# It puts a region, by default another one, into the pods, where it counts more than that of a ConfigMap.
pod_identity() {
	local region
	region=$(sed -n 's/^AWS_DEFAULT_REGION=//p' "$GIVEN/cloud/cloud.env")
	chart pod-identity-webhook pod-identity "$POD_IDENTITY_CHART" "$POD_IDENTITY_VERSION" pod-identity \
		--set "config.defaultAwsRegion=$region"
}

# Its rights are in the cluster's namespace, which therefore has to be there.
ray_operator() {
	kubectl apply --server-side -f "$ROOT/manifests/components/kuberay/namespace.yaml"
	chart kuberay-operator kuberay "$KUBERAY_CHART" "$KUBERAY_VERSION" kuberay --repo "$KUBERAY_REPO"
}

# skaffold runs its tests with this shell's Docker, which has not what was built into Minikube's
# (GoogleContainerTools/skaffold#5696).
where_images_are() {
	local settings=''
	[[ $OVERLAY == eks ]] || settings=$(minikube docker-env --profile "${MINIKUBE_PROFILE:-minikube}" --shell bash)
	(eval "$settings" && "$@")
}

# For the bundles that are trained with the image; the node has the source without its history.
commit() { git -C "$ROOT" rev-parse HEAD 2>/dev/null || cat "$ROOT/.commit" 2>/dev/null || echo unknown; }

# In parts, for the file that names what was built; "standing" leaves the platform alone.
product() {
	GIT_COMMIT=$(commit) skaffold build -m readmission -p "$PROFILES" --file-output build.json
	where_images_are skaffold test -m readmission -p "$PROFILES" --build-artifacts build.json
	skaffold deploy -m readmission -p "$PROFILES" --build-artifacts build.json
	skaffold verify -m readmission -p "$PROFILES" --build-artifacts build.json
}

publish() {
	make venv PYTHON="$PYTHON"
	.venv/bin/health-predict compile --images build.json -o pipeline.yaml
	forward kubeflow svc/ml-pipeline 8888
	.venv/bin/health-predict publish pipeline.yaml --host "$FORWARDED"
}

arguments "$@"
cd "$ROOT"
USER=${USER:-$(id -un)}
say "checking the tools and the cluster"
check_tools
check_cluster
check_context
check_cloud
say "writing the secrets that are not there yet"
secrets
say "the platform, for overlay $OVERLAY (minutes, the first time)"
platform
say "the images and the manifests of the product"
product
say "the pipeline"
publish
say "installed; what is well and where the pages are: cluster/bootstrap/doctor.sh"
