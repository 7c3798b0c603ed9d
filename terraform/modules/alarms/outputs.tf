output "topic_arn" {
  description = "Subscribe whoever has to be woken."
  value       = aws_sns_topic.alarms.arn
}
