output "FLASH_SNS_TOPIC_ARN" {
  description = "The server's setting of this name."
  value       = module.events.FLASH_SNS_TOPIC_ARN
}

output "FLASH_SQS_QUEUE_URL" {
  description = "The server's setting of this name."
  value       = module.events.FLASH_SQS_QUEUE_URL
}

output "AWS_REGION" {
  description = "The server's setting of this name."
  value       = var.region
}

output "DATABASE_URL" {
  description = "ARN of the secret that holds the server's setting of this name."
  value       = module.database.url_secret_arn
}

output "REDIS_URL" {
  description = "ARN of the secret that holds the server's setting of this name."
  value       = module.cache.url_secret_arn
}

output "FLASH_JWT_SECRET" {
  description = "ARN of the secret that holds the server's setting of this name."
  value       = module.service.jwt_secret_arn
}

output "balancer_dns_name" {
  description = "Point the product's name at it."
  value       = module.service.balancer_dns_name
}

output "balancer_zone_id" {
  description = "Hosted zone of that name, for an alias record."
  value       = module.service.balancer_zone_id
}

output "alarm_topic_arn" {
  description = "Subscribe whoever has to be woken."
  value       = module.alarms.topic_arn
}
