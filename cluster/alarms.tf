locals {
  # The machine below the node fails: move it. The system on it hangs: restart it. A failed machine
  # fails both checks; a minute apart, as AWS's guide says, for the two must not act at once.
  alarms = {
    recover = { metric = "StatusCheckFailed_System", minutes = 2 }
    reboot  = { metric = "StatusCheckFailed_Instance", minutes = 3 }
  }
}

resource "aws_cloudwatch_metric_alarm" "node" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-node-${each.key}"
  alarm_description   = "${each.value.metric} for ${each.value.minutes} minutes: ${each.key} the node"
  namespace           = "AWS/EC2"
  metric_name         = each.value.metric
  dimensions          = { InstanceId = aws_instance.node.id }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = each.value.minutes
  alarm_actions       = ["arn:${data.aws_partition.this.partition}:automate:${var.region}:ec2:${each.key}"]
}

locals {
  budget_alerts = { ACTUAL = 80, FORECASTED = 100 }
}

resource "aws_budgets_budget" "monthly" {
  count        = var.monthly_budget_usd == null ? 0 : 1
  name         = "${var.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = local.budget_alerts
    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = [var.budget_email]
    }
  }
}
