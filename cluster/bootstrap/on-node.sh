#!/usr/bin/env bash
# What remote.sh has the node run as root, with its variables written above: SOURCE_URL, CLOUD_ENV
# (base64) and COMMIT. Put the source below /opt/health-predict, keeping what was generated there.
set -euo pipefail
folder=${FOLDER:-/opt/health-predict}
owner=${OWNER:-minikube}

# The machine answers before cloud-init has installed the tools; 2 means done, with a warning.
cloud-init status --wait >/dev/null || [[ $? == 2 ]] ||
	{ echo "error: cloud-init failed; look at /var/log/cloud-init-output.log" >&2 && exit 1; }

archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
# By standard input: arguments are read by every process of the machine.
printf 'url = "%s"\n' "$SOURCE_URL" |
	curl --config - --fail --location --silent --show-error --retry 3 --output "$archive" ||
	{ echo "error: the source cannot be fetched; run remote.sh again" >&2 && exit 1; }

mkdir -p "$folder"
cd "$folder"
tar -tzf "$archive" | grep -v '/$' | sort >.source-files.new
# What the source no longer has, goes; secrets and the like, which it never had, stay.
if [[ -f .source-files ]]; then
	comm -23 .source-files .source-files.new | while IFS= read -r gone; do rm -f -- "$gone"; done
fi
tar -xzf "$archive" --no-same-owner
mv .source-files.new .source-files
echo "$COMMIT" >.commit
base64 -d <<<"$CLOUD_ENV" >manifests/overlays/ec2/cloud/cloud.env
chown -R "$owner" .
echo "the source is at $folder"
