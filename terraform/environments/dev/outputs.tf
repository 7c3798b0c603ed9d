output "FLASH_SNS_TOPIC_ARN" {
  description = "The server's setting of this name."
  value       = module.events.FLASH_SNS_TOPIC_ARN
}

output "FLASH_SQS_QUEUE_URL" {
  description = "The server's setting of this name."
  value       = module.events.FLASH_SQS_QUEUE_URL
}

output "AWS_ENDPOINT_URL" {
  description = "The server's setting of this name."
  value       = var.endpoint
}

output "AWS_REGION" {
  description = "The server's setting of this name."
  value       = local.region
}
