locals {
  # Ten-dot, 20, a /16: no range of Minikube's or Kubernetes' own lies in it. Computed, since no
  # committed file holds an address.
  vpc_cidr = coalesce(var.vpc_cidr, cidrsubnet("0.0.0.0/0", 16, 10 * 256 + 20))
}

data "aws_availability_zones" "this" {
  state = "available"
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "this" {
  cidr_block           = local.vpc_cidr
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_subnet" "public" {
  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(local.vpc_cidr, 2, 0)
  availability_zone = local.zone
  # A way out without the price of a NAT gateway; nothing is let in.
  map_public_ip_on_launch = true
  tags                    = { Name = "${var.name}-public" }
  lifecycle {
    # A zone that comes to offer the type later must not move the node.
    ignore_changes = [availability_zone]
  }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  subnet_id      = aws_subnet.public.id
  route_table_id = aws_route_table.public.id
}

# Objects do not take the way over the internet gateway; the endpoint costs nothing.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]
  tags              = { Name = "${var.name}-s3" }
}

# A VPC comes with a group that lets its members reach each other; without rules here it has none.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-unused" }
}

# No rule lets anything in: a person comes over Session Manager, which the node itself calls.
resource "aws_security_group" "node" {
  name_prefix = "${var.name}-node-"
  description = "The node: HTTPS out, nothing in"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-node" }
  lifecycle {
    create_before_destroy = true
  }
}

# Packages, images, charts, SSM and S3 all speak HTTPS; names and the time come from the VPC itself,
# which security groups do not filter.
resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.node.id
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
