#!/usr/bin/env bash
# Back up MLflow's database, its artifacts and the bundles into a new folder below FOLDER:
#   cluster/bootstrap/backup.sh FOLDER [--upload]
# --upload copies it to the object store as well, below the data's prefix: off this machine, where
# the store is the cloud's.
# The folder has its name only when all of it has been read back. It holds no password. Not in it:
# the runs in Kubeflow's own database, and the data, which is there from its source again.
set -euo pipefail
# shellcheck source=cluster/bootstrap/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=cluster/bootstrap/stores.sh
. "$ROOT/cluster/bootstrap/stores.sh"
[[ -d ${1:-} && ($# == 1 || "$# ${2:-}" == "2 --upload") ]] || usage "$0 FOLDER [--upload]   (FOLDER: one that is there)"
umask 077

final=$1/health-predict-$(date -u +%Y%m%dT%H%M%SZ)
part=$(mktemp -d "$1/.part-XXXXXX")

clean() {
	rm -rf "$part"
	close_pod
}

dump() {
	database pg_dump --format=custom </dev/null >"$part/mlflow.dump" || fail "PostgreSQL gives no dump; its message stands above"
	check_dump "$part/mlflow.dump"
}

copy() { # artifacts or bundles, address
	"$1" save "$2" </dev/null >"$part/$1.tar" || fail "$2 cannot be copied; the message stands above"
	check_objects "$part/$1.tar"
}

upload() { # address
	local file
	for file in "$final"/*; do
		bundles put "$1/${file##*/}" <"$file" || fail "$1/${file##*/} cannot be written; the message stands above, the backup is $final"
	done
	echo "$1"
}

trap clean EXIT
open_stores
# The database first: an object is written before the row that names it, so that every row of the
# dump finds its own.
say "the database"
dump
say "the artifacts, $ARTIFACTS_DESTINATION"
copy artifacts "$ARTIFACTS_DESTINATION"
say "the bundles, $HEALTH_PREDICT_BUNDLE_STORE"
copy bundles "$HEALTH_PREDICT_BUNDLE_STORE"
(cd "$part" && sha256sum -- *.dump *.tar >SHA256SUMS)
sync "$part"/*
mv "$part" "$final"
echo "$final"
[[ ${2:-} != --upload ]] || upload "$HEALTH_PREDICT_DATA_PREFIX/backups/${final##*/}"
