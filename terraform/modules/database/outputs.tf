output "url_secret_arn" {
  description = "Secret that holds DATABASE_URL."
  value       = aws_secretsmanager_secret.url.arn
}

output "identifier" {
  description = "The instance, for alarms."
  value       = aws_db_instance.this.identifier
}
