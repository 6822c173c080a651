#!/usr/bin/env bash
# Put back what backup.sh wrote:
#   cluster/bootstrap/restore.sh FOLDER/health-predict-DATE [--force]
#   cluster/bootstrap/restore.sh s3://bucket/prefix/backups/health-predict-DATE [--force]
# It checks the backup first, and refuses where there are versions or runs already; with --force the
# tables there are replaced. Objects that are there and not in the backup stay.
set -euo pipefail
# shellcheck source=cluster/bootstrap/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=cluster/bootstrap/stores.sh
. "$ROOT/cluster/bootstrap/stores.sh"
[[ (-f ${1:-}/SHA256SUMS || ${1:-} == s3://?*) && ($# == 1 || "$# ${2:-}" == "2 --force") ]] ||
	usage "$0 FOLDER|s3://... [--force]   (what backup.sh printed)"
backup=$1 force=${2:-}
umask 077
work=$(mktemp -d)

clean() {
	rm -rf "$work"
	close_pod
}

download() {
	local file
	for file in SHA256SUMS mlflow.dump artifacts.tar bundles.tar; do
		bundles get "$backup/$file" </dev/null >"$work/$file" || fail "$backup/$file cannot be read; the message stands above"
	done
	backup=$work
}

check_backup() {
	(cd "$backup" && sha256sum --check --quiet --strict SHA256SUMS) ||
		fail "$backup is not what was backed up; take another backup"
	check_dump "$backup/mlflow.dump"
	check_objects "$backup/artifacts.tar"
	check_objects "$backup/bundles.tar"
}

ask() { database psql -X -qAt -v ON_ERROR_STOP=1 -c "$1" </dev/null; }

check_empty() {
	local count=0
	[[ $(ask "SELECT to_regclass('public.model_versions') IS NULL") == t ]] ||
		count=$(ask "SELECT (SELECT count(*) FROM model_versions) + (SELECT count(*) FROM runs)")
	[[ $count == 0 || $force == --force ]] ||
		fail "the registry is not empty: $count versions and runs; back them up, then give --force to replace them"
}

# In one transaction, which only its last line commits: a stream that breaks off changes nothing.
load_database() {
	local sql=$1
	database pg_restore --clean --if-exists --no-owner --no-privileges --file=- <"$backup/mlflow.dump" >"$sql" || return
	{
		echo "BEGIN;"
		# All of them, a newer MLflow's too, which would find its own half there.
		cat <<'SQL'
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP TABLE public.%I CASCADE', name);
  END LOOP;
END $$;
SQL
		cat "$sql"
		echo "COMMIT;"
	} | database psql -X -q -v ON_ERROR_STOP=1 >/dev/null
}

stop_mlflow() {
	is_direct && return
	trap 'start_mlflow; clean' EXIT
	kubectl -n mlflow scale deployment mlflow --replicas=0 >/dev/null
	kubectl -n mlflow wait --for=delete pod -l app.kubernetes.io/name=mlflow --timeout=120s >/dev/null
}

start_mlflow() {
	is_direct && return
	kubectl -n mlflow scale deployment mlflow --replicas=1 >/dev/null
	kubectl -n mlflow rollout status deployment mlflow --timeout=300s >/dev/null
	trap clean EXIT
}

# On a new cluster nothing serves yet: the version in production does again, as a person's revision,
# which the pipeline's next release takes over.
serve() {
	local endpoint=inferenceservice/readmission found
	is_direct && return
	[[ -z $(kubectl -n serving get "$endpoint" -o 'jsonpath={.spec.predictor.model.storageUri}') ]] || return 0
	found=$(kubectl -n kubeflow exec -i "pod/$STORE_POD" -- python -c "$(<"$ROOT/cluster/bootstrap/production.py")" </dev/null) ||
		fail "the registry is back, but does not say what is in production; its message stands above"
	[[ -n $found ]] || return 0
	say "the endpoint"
	kubectl apply --server-side --force-conflicts --field-manager=health-predict-revision -f - <<<"$found"
	kubectl -n serving wait --for=condition=Ready --timeout=600s "$endpoint" >/dev/null ||
		fail "the registry is back, but the endpoint is not ready; look at: cluster/bootstrap/doctor.sh"
}

trap clean EXIT
open_stores
[[ $backup != s3://* ]] || download
say "checking the backup"
check_backup
check_empty
# The objects first: no row ever names one that is not there.
say "the artifacts, $ARTIFACTS_DESTINATION"
artifacts load "$ARTIFACTS_DESTINATION" <"$backup/artifacts.tar"
say "the bundles, $HEALTH_PREDICT_BUNDLE_STORE"
bundles load "$HEALTH_PREDICT_BUNDLE_STORE" <"$backup/bundles.tar"
say "the database"
stop_mlflow
load_database "$work/sql" || fail "the database is as it was: PostgreSQL refused the dump; its message stands above"
start_mlflow
serve
versions=$(ask "SELECT count(*) FROM model_versions WHERE name = 'readmission'")
production=$(ask "SELECT version FROM registered_model_aliases WHERE name = 'readmission' AND alias = 'production'")
echo "restored: $versions versions, in production: ${production:-none}"
