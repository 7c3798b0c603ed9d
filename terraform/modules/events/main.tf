# Where events go: a FIFO topic, its FIFO queue with a dead letter queue, the subscription, and the policies that let
# exactly the topic deliver. The same as deploy/localstack/10-events.sh makes for one machine.

locals {
  name = "${var.name}-events"
}

resource "aws_sns_topic" "events" {
  #checkov:skip=CKV_AWS_26:With a key where one is given; the emulator of the environment dev has none
  name                        = "${local.name}.fifo"
  fifo_topic                  = true
  content_based_deduplication = false
  kms_master_key_id           = var.key_arn
}

resource "aws_sqs_queue" "dead" {
  #checkov:skip=CKV_AWS_27:With a key where one is given; the emulator of the environment dev has none
  name                      = "${local.name}-dlq.fifo"
  fifo_queue                = true
  message_retention_seconds = 1209600
  kms_master_key_id         = var.key_arn
}

resource "aws_sqs_queue" "events" {
  #checkov:skip=CKV_AWS_27:As above
  name                        = "${local.name}.fifo"
  fifo_queue                  = true
  content_based_deduplication = false
  # In order per promotion (its id is the message group), at full speed over all of them.
  deduplication_scope        = "messageGroup"
  fifo_throughput_limit      = "perMessageGroupId"
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  message_retention_seconds  = 1209600
  kms_master_key_id          = var.key_arn
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receives
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "TopicDelivers"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.events.arn]
    }
  }

  dynamic "statement" {
    for_each = var.require_tls ? ["OnlyOverTls"] : []
    content {
      sid       = statement.value
      effect    = "Deny"
      actions   = ["sqs:*"]
      resources = [aws_sqs_queue.events.arn]
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "Bool"
        variable = "aws:SecureTransport"
        values   = ["false"]
      }
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy    = data.aws_iam_policy_document.queue.json
}

resource "aws_sns_topic_subscription" "events" {
  topic_arn            = aws_sns_topic.events.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events.arn
  raw_message_delivery = true
  depends_on           = [aws_sqs_queue_policy.events]
}
