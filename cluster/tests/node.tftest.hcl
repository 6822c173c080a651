mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_metadata_service_wants_a_token_and_answers_no_pod" {
  assert {
    condition = alltrue([
      aws_instance.node.metadata_options[0].http_tokens == "required",
      aws_instance.node.metadata_options[0].http_put_response_hop_limit == 1,
    ])
    error_message = "IMDSv2 is not required, or answers beyond one hop"
  }
}

run "the_disk_is_encrypted_gp3" {
  assert {
    condition = alltrue([
      aws_instance.node.root_block_device[0].encrypted,
      aws_instance.node.root_block_device[0].volume_type == "gp3",
      aws_instance.node.root_block_device[0].volume_size == 100,
    ])
    error_message = "the root disk is not an encrypted gp3 of 100 GiB"
  }
}

run "the_node_may_open_sessions_and_nothing_else" {
  assert {
    condition = alltrue([
      aws_iam_role_policy_attachment.session_manager.policy_arn == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
      aws_instance.node.iam_instance_profile == aws_iam_instance_profile.node.name,
    ])
    error_message = "the node's role has more than Session Manager"
  }
}

run "user_data_fits" {
  assert {
    condition     = length(aws_instance.node.user_data) < 16384
    error_message = "user data has ${length(aws_instance.node.user_data)} bytes"
  }
}

run "the_versions_are_those_of_the_platform" {
  assert {
    condition = alltrue([
      for name in ["MINIKUBE_VERSION", "KUBERNETES_VERSION"] :
      strcontains(file("../manifests/platform/versions.env"), "\n${name}=${local.node_env[name]}\n")
    ])
    error_message = "the node's versions are not those of manifests/platform/versions.env"
  }
  assert {
    condition     = alltrue([for line in split("\n", trimspace(local.tools)) : can(regex("^[a-z]+ https://\\S+ [0-9a-f]{64}$", line))])
    error_message = "a tool has no checksum"
  }
}

run "it_recovers_by_itself" {
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.node : name => [alarm.metric_name, alarm.evaluation_periods, one(alarm.alarm_actions)] } == {
      recover = ["StatusCheckFailed_System", 2, "arn:aws:automate:us-east-1:ec2:recover"]
      reboot  = ["StatusCheckFailed_Instance", 3, "arn:aws:automate:us-east-1:ec2:reboot"]
    }
    error_message = "the alarms do not recover the node"
  }
}

run "a_small_type_is_refused" {
  command = plan
  variables {
    instance_type = "t3.large"
  }
  override_data {
    target = data.aws_ec2_instance_type.node
    values = { default_vcpus = 2, memory_size = 8192, supported_architectures = ["x86_64"] }
  }
  expect_failures = [aws_instance.node]
}

run "the_floor_is_enough" {
  command = plan
  variables {
    instance_type = "t3.xlarge"
  }
  override_data {
    target = data.aws_ec2_instance_type.node
    values = { default_vcpus = 4, memory_size = 16384, supported_architectures = ["x86_64"] }
  }
  assert {
    condition     = aws_instance.node.instance_type == "t3.xlarge"
    error_message = "the floor is refused"
  }
}

run "another_architecture_is_refused" {
  command = plan
  variables {
    instance_type = "m7g.2xlarge"
  }
  override_data {
    target = data.aws_ec2_instance_type.node
    values = { default_vcpus = 8, memory_size = 32768, supported_architectures = ["arm64"] }
  }
  expect_failures = [aws_instance.node]
}

run "a_type_that_no_zone_has_is_refused" {
  command = plan
  override_data {
    target = data.aws_ec2_instance_type_offerings.node
    values = { locations = [] }
  }
  expect_failures = [aws_instance.node]
}
