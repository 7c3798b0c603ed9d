# Redis: how several servers tell each other. It never holds the truth, so there are no snapshots to restore.

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-cache"
  description = "Redis of ${var.name}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "servers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Servers"
  referenced_security_group_id = var.client_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# Access by user and password; the default user that everybody knows is off.
resource "aws_elasticache_user" "flash" {
  user_id       = "${var.name}-flash"
  user_name     = "flash"
  engine        = "redis"
  access_string = "on ~* &* +@all -@dangerous +info"

  authentication_mode {
    type = "password"
    passwords = [
      # No write-only argument exists for it yet: the password is in the state, which is encrypted and private.
      random_password.user.result
    ]
  }
}

resource "random_password" "user" {
  length  = 64
  special = false
}

resource "aws_elasticache_user" "default" {
  user_id       = "${var.name}-default"
  user_name     = "default"
  engine        = "redis"
  access_string = "off -@all"

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user_group" "this" {
  engine        = "redis"
  user_group_id = var.name
  user_ids      = [aws_elasticache_user.default.user_id, aws_elasticache_user.flash.user_id]
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV_AWS_31:Access is by user and password (user_group_ids); a token of the group excludes users
  replication_group_id       = var.name
  description                = "Flash Promos: messages between servers"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.node_type
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = 6379
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  auto_minor_version_upgrade = true
  snapshot_retention_limit   = 0
}

resource "aws_secretsmanager_secret" "url" {
  #checkov:skip=CKV2_AWS_57:Changed together with the user's password, by replacing random_password.user
  name       = "${var.name}/REDIS_URL"
  kms_key_id = var.key_arn
}

resource "aws_secretsmanager_secret_version" "url" {
  secret_id     = aws_secretsmanager_secret.url.id
  secret_string = "rediss://flash:${random_password.user.result}@${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"
}
