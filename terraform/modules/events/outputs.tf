output "FLASH_SNS_TOPIC_ARN" {
  description = "The server's setting of this name."
  value       = aws_sns_topic.events.arn
}

output "FLASH_SQS_QUEUE_URL" {
  description = "The server's setting of this name."
  value       = aws_sqs_queue.events.id
}

output "topic_arn" {
  description = "The topic, for policies."
  value       = aws_sns_topic.events.arn
}

output "queue_arn" {
  description = "The queue, for policies."
  value       = aws_sqs_queue.events.arn
}

output "queue_name" {
  description = "The queue, for alarms."
  value       = aws_sqs_queue.events.name
}

output "dead_queue_arn" {
  description = "The dead letter queue, for policies."
  value       = aws_sqs_queue.dead.arn
}

output "dead_queue_name" {
  description = "The dead letter queue, for alarms."
  value       = aws_sqs_queue.dead.name
}
