mock_provider "aws" {
  source = "./tests/mocks"
}

run "nothing_is_let_in" {
  assert {
    condition     = length(aws_security_group.node.ingress) == 0 && length(aws_default_security_group.this.ingress) == 0
    error_message = "a security group has an ingress rule"
  }
  assert {
    condition     = length(aws_default_security_group.this.egress) == 0
    error_message = "the VPC's default group lets something out"
  }
  assert {
    condition     = aws_instance.node.vpc_security_group_ids == toset([aws_security_group.node.id])
    error_message = "the node is in another group than its own"
  }
}

run "only_https_goes_out" {
  assert {
    condition = alltrue([
      aws_vpc_security_group_egress_rule.https.security_group_id == aws_security_group.node.id,
      aws_vpc_security_group_egress_rule.https.ip_protocol == "tcp",
      aws_vpc_security_group_egress_rule.https.from_port == 443,
      aws_vpc_security_group_egress_rule.https.to_port == 443,
    ])
    error_message = "egress is not HTTPS alone"
  }
}

run "objects_go_over_the_endpoint" {
  assert {
    condition = alltrue([
      aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway",
      aws_vpc_endpoint.s3.service_name == "com.amazonaws.us-east-1.s3",
      aws_vpc_endpoint.s3.route_table_ids == toset([aws_route_table.public.id]),
    ])
    error_message = "the S3 gateway endpoint is not on the subnet's routes"
  }
}

run "the_subnet_is_where_the_type_is_offered" {
  assert {
    condition     = aws_subnet.public.availability_zone == "us-east-1b"
    error_message = "the subnet is in a zone without the instance type"
  }
}

run "the_range_is_private_and_can_be_chosen" {
  variables {
    vpc_cidr = cidrsubnet("0.0.0.0/0", 20, 172 * 4096 + 16 * 16)
  }
  assert {
    condition     = aws_vpc.this.cidr_block == cidrsubnet("0.0.0.0/0", 20, 172 * 4096 + 16 * 16)
    error_message = "vpc_cidr is not taken"
  }
  assert {
    condition     = aws_subnet.public.cidr_block == cidrsubnet(aws_vpc.this.cidr_block, 2, 0)
    error_message = "the subnet is not in the VPC's range"
  }
}

run "the_default_range_is_a_private_16" {
  assert {
    condition     = startswith(aws_vpc.this.cidr_block, "10.20.") && endswith(aws_vpc.this.cidr_block, "/16")
    error_message = "the VPC's range is ${aws_vpc.this.cidr_block}"
  }
}
