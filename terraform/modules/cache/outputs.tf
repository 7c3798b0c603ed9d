output "url_secret_arn" {
  description = "Secret that holds REDIS_URL."
  value       = aws_secretsmanager_secret.url.arn
}

output "replication_group_id" {
  description = "The group, for alarms."
  value       = aws_elasticache_replication_group.this.id
}
