#!/bin/sh
# Start SeaweedFS with one bucket for MLflow and one for bundles and data, and a key for each user.
# SHELL_MASTER and the arguments are for other ports than the default ones.
set -eu
umask 077

config=${TMPDIR:-/tmp}/s3.json
ready=${TMPDIR:-/tmp}/ready
master=${SHELL_MASTER:-127.0.0.1:9333}

identity() { # name, access key, secret key, bucket, actions
	printf '{"name":"%s","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":[' \
		"$1" "${2:?$1 has no access key}" "${3:?$1 has no secret key}"
	bucket=$4 separator=
	shift 4
	for action; do
		printf '%s"%s:%s"' "$separator" "$action" "$bucket"
		separator=,
	done
	printf ']}'
}

# With no identity at all everybody could do everything.
{
	printf '{"identities":['
	identity mlflow "$MLFLOW_ID" "$MLFLOW_KEY" mlflow Read Write List Tagging
	printf ','
	identity steps "$STEPS_ID" "$STEPS_KEY" readmission Read Write List Tagging
	printf ','
	identity serving "$SERVING_ID" "$SERVING_KEY" readmission Read List
	printf ']}'
} >"$config"

buckets() {
	for bucket in mlflow readmission; do
		until echo s3.bucket.list | weed shell -master="$master" 2>/dev/null | grep -qw "$bucket"; do
			sleep 1
			echo "s3.bucket.create -name $bucket" | weed shell -master="$master" >/dev/null 2>&1 || true
		done
	done
	touch "$ready"
}
rm -f "$ready"
buckets &

# Small volumes: each bucket takes seven at its first write. Its parts talk over loopback.
exec weed -logtostderr=true server -dir="$DATA_DIR" -ip=127.0.0.1 -ip.bind=0.0.0.0 \
	-filer -s3 -s3.config="$config" \
	-volume.max=0 -master.volumeSizeLimitMB=256 -master.volumePreallocate=false \
	-master.telemetry=false "$@"
