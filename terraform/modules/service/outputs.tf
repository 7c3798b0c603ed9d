output "server_security_group_id" {
  description = "Group of the servers, for those whom they connect to."
  value       = aws_security_group.server.id
}

output "balancer_dns_name" {
  description = "Point the product's name at it."
  value       = aws_lb.this.dns_name
}

output "balancer_zone_id" {
  description = "Hosted zone of the balancer's name, for an alias record."
  value       = aws_lb.this.zone_id
}

output "balancer_arn_suffix" {
  description = "The balancer, for alarms."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "Its target group, for alarms."
  value       = aws_lb_target_group.this.arn_suffix
}

output "cluster_name" {
  description = "The cluster; the service has the same name."
  value       = aws_ecs_cluster.this.name
}

output "jwt_secret_arn" {
  description = "Secret that holds FLASH_JWT_SECRET."
  value       = aws_secretsmanager_secret.jwt.arn
}
