# The servers: a task of three containers. `migrate` brings the schema up to date and ends; `server` starts after it;
# `collector` sends the server's numbers to CloudWatch and its traces to X-Ray.

locals {
  settings = merge({
    FLASH_BIND            = "0.0.0.0:8080"
    FLASH_ENV             = "production"
    FLASH_LOG_FORMAT      = "json"
    FLASH_TRUSTED_PROXIES = var.vpc_cidr
    FLASH_OTLP_ENDPOINT   = "http://127.0.0.1:4318"
    AWS_REGION            = data.aws_region.current.region
    FLASH_SNS_TOPIC_ARN   = var.topic_arn
    FLASH_SQS_QUEUE_URL   = var.queue_url
  }, var.settings)

  secrets = {
    DATABASE_URL     = var.database_url_secret_arn
    REDIS_URL        = var.redis_url_secret_arn
    FLASH_JWT_SECRET = aws_secretsmanager_secret.jwt.arn
  }

  environment = [for name, value in local.settings : { name = name, value = value }]
  secret_list = [for name, arn in local.secrets : { name = name, valueFrom = arn }]

  # EMF needs a namespace; autoscaling and alarms name it too.
  metrics_namespace = "FlashPromos"

  container_log = {
    for container in ["migrate", "server", "collector"] : container => {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = data.aws_region.current.region
        "awslogs-stream-prefix" = container
      }
    }
  }
}

data "aws_region" "current" {}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/service"
  retention_in_days = 365
  kms_key_id        = var.key_arn
}

# Made once and never in the state; raise jwt_secret_version to change it, with the old one as
# FLASH_JWT_PREVIOUS_SECRET in `settings` meanwhile.
ephemeral "random_password" "jwt" {
  length  = 64
  special = false
}

resource "aws_secretsmanager_secret" "jwt" {
  #checkov:skip=CKV2_AWS_57:A change needs the old secret beside the new one for a while: jwt_secret_version
  name       = "${var.name}/FLASH_JWT_SECRET"
  kms_key_id = var.key_arn
}

resource "aws_secretsmanager_secret_version" "jwt" {
  secret_id                = aws_secretsmanager_secret.jwt.id
  secret_string_wo         = ephemeral.random_password.jwt.result
  secret_string_wo_version = var.jwt_secret_version
}

resource "aws_security_group" "server" {
  name        = "${var.name}-server"
  description = "Servers of ${var.name}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id            = aws_security_group.server.id
  description                  = "Load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each          = toset(["5432", "6379"])
  security_group_id = aws_security_group.server.id
  description       = "Database and cache"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.server.id
  description       = "AWS, image registry, merchants' webhooks"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_336:The server's root is read only; the collector's is not, it keeps a queue there
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([
    {
      name                   = "migrate"
      image                  = var.image
      command                = ["migrate"]
      essential              = false
      environment            = local.environment
      secrets                = local.secret_list
      readonlyRootFilesystem = true
      logConfiguration       = local.container_log["migrate"]
    },
    {
      name                   = "server"
      image                  = var.image
      command                = ["serve"]
      essential              = true
      environment            = local.environment
      secrets                = local.secret_list
      readonlyRootFilesystem = true
      # The drain takes up to 10 s.
      stopTimeout      = 20
      portMappings     = [{ containerPort = 8080, protocol = "tcp" }]
      ulimits          = [{ name = "nofile", softLimit = 262144, hardLimit = 262144 }]
      dependsOn        = [{ containerName = "migrate", condition = "SUCCESS" }]
      logConfiguration = local.container_log["server"]
      # Only whether it lives: the balancer asks whether it is ready, and a database's outage must not end every server.
      healthCheck = {
        command     = ["CMD", "flash-promos", "health", "--live"]
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 60
      }
    },
    {
      name             = "collector"
      image            = var.collector_image
      essential        = false
      environment      = [{ name = "AOT_CONFIG_CONTENT", value = local.collector }]
      logConfiguration = local.container_log["collector"]
    },
  ])
}

resource "aws_ecs_service" "this" {
  name                               = var.name
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  launch_type                        = "FARGATE"
  desired_count                      = var.tasks_min
  enable_execute_command             = false
  health_check_grace_period_seconds  = 60
  deployment_minimum_healthy_percent = var.tasks_max > 1 ? 100 : 0
  deployment_maximum_percent         = var.tasks_max > 1 ? 200 : 100

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.server.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "server"
    container_port   = 8080
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  lifecycle {
    # Autoscaling decides.
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.https]
}
