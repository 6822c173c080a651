"""All of it on an account of moto's: applied, planned again, read back, destroyed."""

from __future__ import annotations

import json
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from manifests.rendered import MANIFESTS
from terraform.stack import Account, Stack

pytestmark = pytest.mark.timeout(900)
REGION = "us-east-1"


class Cloud:
    """What the account says, and what Terraform put out."""

    def __init__(self, stack: Stack, url: str) -> None:
        self.url = url
        self.outputs = stack.outputs()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="module")
def cloud(applied: Account) -> Cloud:
    return Cloud(*applied)


def _node(cloud: Cloud) -> Any:
    found = cloud.client("ec2").describe_instances(InstanceIds=[cloud.outputs["instance_id"]])
    return found["Reservations"][0]["Instances"][0]


def test_a_second_plan_has_nothing_to_do(applied: Account) -> None:
    assert "No changes" in applied[0].run("plan", "-detailed-exitcode", "-input=false")


def test_nothing_is_let_in(cloud: Cloud) -> None:
    groups = cloud.client("ec2").describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [_node(cloud)["VpcId"]]}]
    )["SecurityGroups"]
    assert len(groups) == 2
    assert [group["IpPermissions"] for group in groups] == [[], []]


def test_the_node(cloud: Cloud) -> None:
    node = _node(cloud)
    assert node["InstanceType"] == "m7i.2xlarge"
    assert node["MetadataOptions"]["HttpTokens"] == "required"
    assert node["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert "KeyName" not in node
    assert {tag["Key"]: tag["Value"] for tag in node["Tags"]} == {
        "Name": "health-predict-node",
        "Project": "health-predict",
        "ManagedBy": "terraform",
    }


def test_its_disk(cloud: Cloud) -> None:
    attached = _node(cloud)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    disk = cloud.client("ec2").describe_volumes(VolumeIds=[attached])["Volumes"][0]
    assert (disk["Encrypted"], disk["VolumeType"], disk["Size"]) == (True, "gp3", 100)


def test_the_subnet_reaches_s3_by_the_endpoint(cloud: Cloud) -> None:
    ends = cloud.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert [(end["VpcEndpointType"], end["ServiceName"]) for end in ends] == [
        ("Gateway", f"com.amazonaws.{REGION}.s3")
    ]


@pytest.mark.parametrize("name", ["data_bucket", "artifact_bucket", "issuer_bucket"])
def test_a_bucket(cloud: Cloud, name: str) -> None:
    s3, bucket = cloud.client("s3"), cloud.outputs[name]
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    kept = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert len(blocked) == 4
    assert all(blocked.values())
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert kept[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    denied = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]
    assert (denied["Effect"], denied["Action"], denied["Principal"]) == ("Deny", "s3:*", "*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_issuers_document(cloud: Cloud) -> None:
    stored = cloud.client("s3").get_object(
        Bucket=cloud.outputs["issuer_bucket"], Key=".well-known/openid-configuration"
    )
    document, url = json.loads(stored["Body"].read()), cloud.outputs["issuer_url"]
    assert stored["ContentType"] == "application/json"
    assert (document["issuer"], document["jwks_uri"]) == (url, f"{url}/openid/v1/jwks")


@pytest.mark.parametrize(
    ("role", "account", "actions"),
    [
        ("mlflow", "mlflow:mlflow", {"GetObject", "PutObject", "AbortMultipartUpload"}),
        (
            "pipeline",
            "kubeflow:readmission-pipeline",
            {"GetObject", "PutObject", "AbortMultipartUpload"},
        ),
        ("serving", "serving:readmission", {"GetObject"}),
    ],
)
def test_a_role(cloud: Cloud, role: str, account: str, actions: set[str]) -> None:
    iam, name = cloud.client("iam"), cloud.outputs[f"{role}_role_arn"].rpartition("/")[2]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    host = cloud.outputs["issuer_url"].removeprefix("https://")
    assert trust["Condition"] == {
        "StringEquals": {
            f"{host}:aud": "sts.amazonaws.com",
            f"{host}:sub": f"system:serviceaccount:{account}",
        }
    }
    given = iam.get_role_policy(RoleName=name, PolicyName="objects")["PolicyDocument"]["Statement"]
    granted = {action for right in given for action in right["Action"]}
    assert granted == {f"s3:{action}" for action in {*actions, "ListBucket"}}


def test_the_registries(cloud: Cloud) -> None:
    found = cloud.client("ecr").describe_repositories()["repositories"]
    assert {one["repositoryName"] for one in found} == {
        "health-predict-components",
        "health-predict-serving",
    }
    assert {one["imageTagMutability"] for one in found} == {"IMMUTABLE"}
    assert all(one["imageScanningConfiguration"]["scanOnPush"] for one in found)
    assert {one["repositoryUri"].split("/")[0] for one in found} == {cloud.outputs["ecr_registry"]}


def test_the_overlays_file(cloud: Cloud) -> None:
    asked = (MANIFESTS / "overlays/ec2/cloud/cloud.env.example").read_text().splitlines()
    lines = cloud.outputs["cloud_env"].splitlines()
    assert [line.partition("=")[0] for line in lines] == [
        line.removesuffix("=") for line in asked if not line.startswith("#")
    ]
    assert all(line.partition("=")[2] for line in lines)


@pytest.mark.parametrize(
    ("name", "port"), [("dashboard", 8080), ("mlflow", 5000), ("endpoint", 8081)]
)
def test_the_ways_in(cloud: Cloud, name: str, port: int) -> None:
    assert cloud.outputs[f"open_{name}"] == (
        f"{cloud.outputs['shell']} --document-name AWS-StartPortForwardingSession"
        f" --parameters portNumber={port},localPortNumber={port}"
    )
    assert cloud.outputs["shell"].endswith(f"--target {cloud.outputs['instance_id']}")


def test_the_nodes_role_opens_sessions_and_nothing_else(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    node = iam.list_attached_role_policies(RoleName="health-predict-node")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in node] == ["AmazonSSMManagedInstanceCore"]
    assert iam.list_role_policies(RoleName="health-predict-node")["PolicyNames"] == []


def test_a_destroy_leaves_nothing(applied: Account, cloud: Cloud) -> None:
    """The last in this file: what it takes away, the others read."""
    applied[0].run("destroy", "-auto-approve", "-input=false")
    assert applied[0].run("state", "list") == ""
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.client("iam").list_roles()["Roles"] == []
    assert cloud.client("ecr").describe_repositories()["repositories"] == []
