data "aws_ssm_parameter" "amazon_linux" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

data "aws_ec2_instance_type" "node" {
  instance_type = var.instance_type
}

# A new type is not in every zone.
data "aws_ec2_instance_type_offerings" "node" {
  location_type = "availability-zone"
  filter {
    name   = "instance-type"
    values = [var.instance_type]
  }
}

locals {
  zones = sort(setintersection(
    data.aws_availability_zones.this.names, data.aws_ec2_instance_type_offerings.node.locations,
  ))
  zone = try(local.zones[0], "none")
  node_files = {
    "/usr/local/bin/minikube-start" = "minikube-start"
    "/usr/local/bin/forward"        = "forward"
    "/usr/local/bin/prune"          = "prune"
    "/usr/local/sbin/node-setup"    = "node-setup"

    "/etc/systemd/system/minikube.service" = "minikube.service"
    "/etc/systemd/system/forward@.service" = "forward@.service"
    "/etc/systemd/system/prune.service"    = "prune.service"
    "/etc/systemd/system/prune.timer"      = "prune.timer"
  }
  node_env = {
    MINIKUBE_VERSION   = local.tool_versions.minikube
    KUBERNETES_VERSION = local.tool_versions.kubectl
    MINIKUBE_CPUS      = var.minikube_cpus
    MINIKUBE_MEMORY    = var.minikube_memory_mib
    OIDC_ISSUER        = local.issuer_url
    AWS_DEFAULT_REGION = var.region
  }
  user_data = templatefile("${path.module}/node/cloud-init.yaml.tftpl", {
    files = { for target, name in local.node_files : target => file("${path.module}/node/${name}") }
    env   = join("", [for name, value in local.node_env : "${name}=${value}\n" if value != null])
    tools = local.tools
  })
}

resource "aws_instance" "node" {
  ami                    = data.aws_ssm_parameter.amazon_linux.insecure_value
  instance_type          = var.instance_type
  subnet_id              = aws_subnet.public.id
  vpc_security_group_ids = [aws_security_group.node.id]
  iam_instance_profile   = aws_iam_instance_profile.node.name
  ebs_optimized          = true
  user_data              = local.user_data

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # A container is a hop further, so no pod gets the node's role.
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.disk_gib
    encrypted   = true
    tags        = { Name = "${var.name}-node" }
  }

  tags = { Name = "${var.name}-node" }

  lifecycle {
    # Another image or script makes no new node, and none is lost by an apply: the databases lie on
    # it. After bootstrap/backup: terraform apply -replace=aws_instance.node
    ignore_changes = [ami, user_data]

    precondition {
      condition     = data.aws_ec2_instance_type.node.default_vcpus >= 4 && data.aws_ec2_instance_type.node.memory_size >= 16384
      error_message = "${var.instance_type} has ${data.aws_ec2_instance_type.node.default_vcpus} vCPU and ${floor(data.aws_ec2_instance_type.node.memory_size / 1024)} GiB: the stack needs 4 vCPU and 16 GiB or more."
    }
    precondition {
      condition     = contains(data.aws_ec2_instance_type.node.supported_architectures, "x86_64")
      error_message = "${var.instance_type} is not x86_64: the images are built for it."
    }
    precondition {
      condition     = length(local.zones) > 0
      error_message = "no zone of ${var.region} offers ${var.instance_type}: choose another type or region."
    }
    precondition {
      condition     = length(local.unknown_tools) == 0
      error_message = "cluster/tools.tf has no checksum of ${join(", ", local.unknown_tools)}."
    }
    precondition {
      condition     = length(local.user_data) <= 16384
      error_message = "the node's user data is above EC2's limit of 16 KiB: shorten cluster/node."
    }
  }

  depends_on = [aws_route.internet, aws_vpc_security_group_egress_rule.https]
}
