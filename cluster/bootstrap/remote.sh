#!/usr/bin/env bash
# After "terraform apply" in cluster/: install the commit that is checked out on the node, over SSM.
#   cluster/bootstrap/remote.sh [install]
#   cluster/bootstrap/remote.sh backup                     prints where in the data bucket it is
#   cluster/bootstrap/remote.sh restore s3://... [--force]
#   cluster/bootstrap/remote.sh doctor
# It takes Terraform's outputs and this person's AWS credentials; the node has none for S3.
set -euo pipefail
# shellcheck source=cluster/bootstrap/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
case "${*:-install}" in
install | backup | doctor | "restore s3://"*) ;;
*) usage "$0 [install | backup | restore s3://... [--force] | doctor]" ;;
esac
LIMIT_SECONDS=7200
LOG=/var/log/health-predict.log
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

output() {
	terraform -chdir="$ROOT/cluster" output -raw "$1" 2>/dev/null ||
		fail "Terraform has no output $1; run: cd cluster && terraform apply"
}

read_outputs() {
	# One a line: of several, bash looks only at the last one's exit code.
	INSTANCE=$(output instance_id)
	REGION=$(output region)
	DATA_BUCKET=$(output data_bucket)
	ISSUER_BUCKET=$(output issuer_bucket)
	CLOUD_ENV=$(output cloud_env | base64 | tr -d '\n')
	export AWS_DEFAULT_REGION=$REGION AWS_REGION=$REGION AWS_PAGER=''
}

check_person() {
	# Version 1 presigns in the old way, which no newer region takes.
	[[ $(aws --version) == aws-cli/2.* ]] || fail "the AWS CLI is $(aws --version | cut -d' ' -f1); install version 2"
	aws sts get-caller-identity --query Arn --output text >/dev/null 2>&1 ||
		fail "AWS takes no credentials from here; log in (aws sso login, or AWS_PROFILE), then run this again"
}

wait_for_node() {
	aws ec2 wait instance-status-ok --instance-ids "$INSTANCE" ||
		fail "$INSTANCE is not well; look at: aws ec2 describe-instance-status --instance-ids $INSTANCE"
	[[ $(aws ssm describe-instance-information --filters "Key=InstanceIds,Values=$INSTANCE" \
		--query 'InstanceInformationList[0].PingStatus' --output text) == Online ]] ||
		fail "$INSTANCE has not called SSM; wait a minute, then run this again"
}

send_source() {
	local at
	[[ -z $(git -C "$ROOT" status --porcelain --untracked-files=no) ]] ||
		echo "note: changes that are not committed are not installed" >&2
	COMMIT=$(git -C "$ROOT" rev-parse HEAD)
	at=s3://$DATA_BUCKET/source/$COMMIT.tar.gz
	git -C "$ROOT" archive --format=tar.gz --output "$work/source.tar.gz" HEAD
	aws s3 cp --only-show-errors "$work/source.tar.gz" "$at"
	# Whoever has this URL may read the source for 15 minutes: it is neither printed nor an argument.
	SOURCE_URL=$(aws s3 presign "$at" --expires-in 900)
	say "commit $COMMIT is at $at"
}

# The script goes as base64, which needs no quoting in JSON, and the JSON as a file, so that nothing
# of it is an argument. Parameters of a command stay in SSM's history, to those who may read it.
run_on_node() { # seconds, what it is, script; the output goes to standard output
	local id status script
	script=$(base64 <"$3" | tr -d '\n')
	cat >"$work/command.json" <<JSON
{
  "InstanceIds": ["$INSTANCE"],
  "DocumentName": "AWS-RunShellScript",
  "Comment": "health-predict: $2",
  "TimeoutSeconds": 600,
  "Parameters": {"commands": ["echo $script | base64 -d | bash"], "executionTimeout": ["$1"]}
}
JSON
	id=$(aws ssm send-command --cli-input-json "file://$work/command.json" --query Command.CommandId --output text)
	# The waiter itself gives up after a hundred seconds, or when the command has failed.
	until aws ssm wait command-executed --command-id "$id" --instance-id "$INSTANCE" 2>/dev/null; do
		status=$(invocation "$id" Status)
		case $status in
		Pending | InProgress | Delayed) echo "   $2: $status" >&2 ;;
		Success) break ;;
		*)
			invocation "$id" StandardOutputContent >&2
			invocation "$id" StandardErrorContent >&2
			fail "$2: $status on $INSTANCE (command $id); its output stands above"
			;;
		esac
	done
	invocation "$id" StandardOutputContent
}

invocation() { aws ssm get-command-invocation --command-id "$1" --instance-id "$INSTANCE" --query "$2" --output text; }

put_source() {
	{
		printf 'SOURCE_URL=%q\nCLOUD_ENV=%q\nCOMMIT=%q\n' "$SOURCE_URL" "$CLOUD_ENV" "$COMMIT"
		cat "$ROOT/cluster/bootstrap/on-node.sh"
	} >"$work/put.sh"
	run_on_node 900 "source" "$work/put.sh"
}

# AWS asks the issuer for the cluster's public keys before it takes a token of a service account.
# They change when the cluster is made anew.
publish_keys() {
	echo "systemctl start minikube && runuser -l minikube -c 'kubectl get --raw /openid/v1/jwks'" >"$work/keys.sh"
	# The first start pulls Kubernetes; the unit gives up after half an hour.
	run_on_node 1900 "public keys" "$work/keys.sh" >"$work/jwks"
	grep -q '"keys"' "$work/jwks" || fail "$INSTANCE: the cluster gives no public keys; look at: journalctl -u minikube"
	aws s3 cp --only-show-errors --content-type application/json "$work/jwks" "s3://$ISSUER_BUCKET/openid/v1/jwks"
}

# SSM keeps the first 24,000 characters of an output: the whole of it is in the file.
as_minikube() { # what it is, a line of shell
	{
		printf 'line=%q log=%q\n' "cd /opt/health-predict && $2" "$LOG"
		cat <<'SCRIPT'
set -o pipefail
runuser -l minikube -c "$line" >"$log" 2>&1
code=$?
tail -n 60 "$log"
exit $code
SCRIPT
	} >"$work/line.sh"
	run_on_node "$LIMIT_SECONDS" "$1" "$work/line.sh"
}

install() {
	send_source
	put_source
	say "publishing the public keys of the cluster"
	publish_keys
	say "installing; the log is $LOG on the node"
	as_minikube install "cluster/bootstrap/install.sh --overlay ec2"
	say "installed; these forward the pages and the endpoint to 127.0.0.1:"
	output open_dashboard && echo
	output open_mlflow && echo
	output open_endpoint && echo
}

# The copy on the node goes: its disk is what may be lost.
back_up() {
	# shellcheck disable=SC2016 # for the node's shell
	as_minikube backup 'folder=$(mktemp -d) && cluster/bootstrap/backup.sh "$folder" --upload; code=$?; rm -rf "$folder"; exit $code'
}

need terraform aws git
read_outputs
check_person
say "waiting for $INSTANCE in $REGION"
wait_for_node
case ${1:-install} in
install) install ;;
backup) back_up ;;
restore) as_minikube restore "cluster/bootstrap/restore.sh $(printf '%q ' "${@:2}")" ;;
doctor) as_minikube doctor cluster/bootstrap/doctor.sh ;;
esac
