# What wakes somebody, as in deploy/prometheus/alerts.yml where CloudWatch knows the same, and what only AWS knows.
# docs/operations.md says what to do.

locals {
  service  = { ClusterName = var.name, ServiceName = var.name }
  balancer = { LoadBalancer = var.balancer_arn_suffix }
  targets  = merge(local.balancer, { TargetGroup = var.target_group_arn_suffix })
  database = { DBInstanceIdentifier = var.database_identifier }

  alarms = {
    unhealthy-servers = {
      text      = "A server is not ready for two minutes"
      namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", dimensions = local.targets
      statistic = "Maximum", operator = "GreaterThanThreshold", threshold = 0, periods = 2, missing = "notBreaching"
    }
    no-server = {
      text      = "No server is ready"
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", dimensions = local.targets
      statistic = "Minimum", operator = "LessThanThreshold", threshold = 1, periods = 2, missing = "breaching"
    }
    errors = {
      text      = "Servers answer with 5xx"
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = local.targets
      statistic = "Sum", operator = "GreaterThanThreshold", threshold = 50, periods = 5, missing = "notBreaching"
    }
    commits-unknown = {
      text      = "The outcome of commits is unknown: the connection to the database breaks"
      namespace = "FlashPromos", metric = "flash_commits_unknown_total", dimensions = local.service
      statistic = "Sum", operator = "GreaterThanThreshold", threshold = 0, periods = 1, missing = "notBreaching"
    }
    commits-failed = {
      text      = "Commits fail"
      namespace = "FlashPromos", metric = "flash_commits_failed_total", dimensions = local.service
      statistic = "Sum", operator = "GreaterThanThreshold", threshold = 0, periods = 5, missing = "notBreaching"
    }
    database-cpu = {
      text      = "The database is busy"
      namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = local.database
      statistic = "Average", operator = "GreaterThanThreshold", threshold = 80, periods = 5, missing = "missing"
    }
    database-storage = {
      text      = "The database has less than 10 GiB left"
      namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.database
      statistic = "Minimum", operator = "LessThanThreshold", threshold = 10 * 1024 * 1024 * 1024, periods = 5, missing = "missing"
    }
    database-write-latency = {
      text      = "Writes take 20 ms: every claim waits for one"
      namespace = "AWS/RDS", metric = "WriteLatency", dimensions = local.database
      statistic = "Average", operator = "GreaterThanThreshold", threshold = 0.02, periods = 5, missing = "missing"
    }
    cache-memory = {
      text      = "Redis has used four fifths of its memory"
      namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { ReplicationGroupId = var.replication_group_id }
      statistic = "Maximum", operator = "GreaterThanThreshold", threshold = 80, periods = 5, missing = "missing"
    }
    queue-age = {
      text      = "Events wait for five minutes"
      namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue_name }
      statistic = "Maximum", operator = "GreaterThanThreshold", threshold = 300, periods = 3, missing = "notBreaching"
    }
    dead-letters = {
      text      = "There are events that nobody could handle: flash-promos dlq list"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_queue_name }
      statistic = "Maximum", operator = "GreaterThanThreshold", threshold = 0, periods = 1, missing = "notBreaching"
    }
    service-cpu = {
      text      = "The servers are busy though they may not become more"
      namespace = "AWS/ECS", metric = "CPUUtilization", dimensions = local.service
      statistic = "Average", operator = "GreaterThanThreshold", threshold = 85, periods = 5, missing = "missing"
    }
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.operator
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
