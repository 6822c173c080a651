mock_provider "aws" {
  source = "./tests/mocks"
}

run "no_budget_by_default" {
  command = plan
  assert {
    condition     = length(aws_budgets_budget.monthly) == 0
    error_message = "a budget is made that nobody asked for"
  }
}

run "a_budget_tells_before_it_is_spent" {
  command = plan
  variables {
    monthly_budget_usd = 400
    budget_email       = "someone@example.org"
  }
  assert {
    condition = {
      for told in aws_budgets_budget.monthly[0].notification :
      told.notification_type => [told.threshold, one(told.subscriber_email_addresses)]
      } == {
      ACTUAL     = [80, "someone@example.org"]
      FORECASTED = [100, "someone@example.org"]
    }
    error_message = "the budget tells nobody, or too late"
  }
}

run "a_budget_without_an_address" {
  command = plan
  variables {
    monthly_budget_usd = 400
  }
  expect_failures = [var.budget_email]
}

run "a_budget_of_nothing" {
  command = plan
  variables {
    monthly_budget_usd = 0
    budget_email       = "someone@example.org"
  }
  expect_failures = [var.monthly_budget_usd]
}

run "an_address_that_is_none" {
  command = plan
  variables {
    monthly_budget_usd = 1
    budget_email       = "someone"
  }
  expect_failures = [var.budget_email]
}

run "a_name_too_long_for_a_bucket" {
  command = plan
  variables {
    name = "a-name-that-is-far-too-long"
  }
  expect_failures = [var.name]
}

run "a_zone_instead_of_a_region" {
  command = plan
  variables {
    region = "us-east-1a"
  }
  expect_failures = [var.region]
}

run "a_tag_that_is_set_here" {
  command = plan
  variables {
    tags = { Project = "another" }
  }
  expect_failures = [var.tags]
}

run "a_type_that_is_none" {
  command = plan
  variables {
    instance_type = "large"
  }
  expect_failures = [var.instance_type]
}

run "a_disk_too_small" {
  command = plan
  variables {
    disk_gib = 20
  }
  expect_failures = [var.disk_gib]
}

run "a_range_that_is_none" {
  command = plan
  variables {
    vpc_cidr = "wide"
  }
  expect_failures = [var.vpc_cidr]
}

run "too_few_cpus" {
  command = plan
  variables {
    minikube_cpus = 2
  }
  expect_failures = [var.minikube_cpus]
}

run "too_little_memory" {
  command = plan
  variables {
    minikube_memory_mib = 8192
  }
  expect_failures = [var.minikube_memory_mib]
}

run "one_image_is_no_rollback" {
  command = plan
  variables {
    keep_images = 1
  }
  expect_failures = [var.keep_images]
}
