# shellcheck shell=bash
# Where backup.sh and restore.sh reach the database and the objects. In the cluster: inside the pods
# that use them, so that no key and no port comes to this machine. With PGHOST set: from here, with
# the environment of libpq and of AWS, ARTIFACTS_DESTINATION, HEALTH_PREDICT_BUNDLE_STORE and HEALTH_PREDICT_DATA_PREFIX.
PROGRAM=$(<"$ROOT/cluster/bootstrap/objects.py")
STORE_POD=health-predict-store

is_direct() { [[ -n ${PGHOST:-} ]]; }

open_stores() {
	if is_direct; then
		: "${ARTIFACTS_DESTINATION:?say where, as s3://bucket/prefix}"
		: "${HEALTH_PREDICT_BUNDLE_STORE:?say where, as s3://bucket/prefix}" "${HEALTH_PREDICT_DATA_PREFIX:=}"
		need pg_dump pg_restore psql
		return
	fi
	need kubectl
	check_cluster
	ARTIFACTS_DESTINATION=$(kubectl -n mlflow exec deploy/mlflow -c mlflow -- printenv ARTIFACTS_DESTINATION) ||
		fail "MLflow does not run; look at: kubectl -n mlflow get pods"
	HEALTH_PREDICT_BUNDLE_STORE=$(setting HEALTH_PREDICT_BUNDLE_STORE)
	HEALTH_PREDICT_DATA_PREFIX=$(setting HEALTH_PREDICT_DATA_PREFIX)
	open_pod
}

setting() { kubectl -n kubeflow get configmap health-predict-settings -o "jsonpath={.data.$1}"; }

# The bundles' bucket opens to the steps alone, of which none runs: a pod with their identity.
open_pod() {
	local image
	image=$(kubectl -n mlflow get deployment mlflow -o 'jsonpath={.spec.template.spec.containers[0].image}')
	kubectl -n kubeflow delete pod "$STORE_POD" --ignore-not-found --wait >/dev/null
	sed "s|IMAGE|$image|" "$ROOT/cluster/bootstrap/store-pod.yaml" | kubectl apply -f - >/dev/null
	kubectl -n kubeflow wait --for=condition=Ready --timeout=180s "pod/$STORE_POD" >/dev/null ||
		fail "pod kubeflow/$STORE_POD does not start; look at: kubectl -n kubeflow describe pod $STORE_POD"
}

close_pod() {
	is_direct || kubectl -n kubeflow delete pod "$STORE_POD" --ignore-not-found --wait=false >/dev/null 2>&1 || true
}

database() { # a program of PostgreSQL and its arguments
	if is_direct; then
		"$@"
	else
		kubectl -n mlflow exec -i statefulset/postgres -c postgres -- env PGUSER=mlflow PGDATABASE=mlflow "$@"
	fi
}

artifacts() { objects mlflow deploy/mlflow "$@"; }
# The steps' identity: it may write below the data's prefix too.
bundles() { objects kubeflow "pod/$STORE_POD" "$@"; }

objects() { # namespace, object, arguments of objects.py
	if is_direct; then
		"$ROOT/.venv/bin/python" "$ROOT/cluster/bootstrap/objects.py" "${@:3}"
	else
		kubectl -n "$1" exec -i "$2" -- python -c "$PROGRAM" "${@:3}"
	fi
}

# A dump that can be read, every block of it, and is of a database that MLflow had made.
check_dump() { # file
	database pg_restore --file=/dev/null <"$1" || fail "$1 cannot be read; take another backup"
	database pg_restore --list <"$1" | grep 'TABLE DATA public alembic_version' >/dev/null ||
		fail "$1 holds no tables of MLflow; take another backup"
}

check_objects() { # file
	objects mlflow deploy/mlflow check <"$1" 2>/dev/null || fail "$1 is not whole; take another backup"
}
