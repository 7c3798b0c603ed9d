# Production on AWS: one region, two zones. The state holds no password but the cache's; keep it encrypted and private:
#   terraform init -backend-config="bucket=…" -backend-config="region=…"
#   terraform apply -var-file=prod.tfvars

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  backend "s3" {
    key          = "flash-promos/prod.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Application = var.name, Environment = "prod", ManagedBy = "terraform" }
  }
}

module "keys" {
  source = "../../modules/keys"
  name   = var.name
}

module "network" {
  source  = "../../modules/network"
  name    = var.name
  zones   = var.zones
  key_arn = module.keys.key_arn
}

module "database" {
  source                   = "../../modules/database"
  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  client_security_group_id = module.service.server_security_group_id
  key_arn                  = module.keys.key_arn
}

module "cache" {
  source                   = "../../modules/cache"
  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  client_security_group_id = module.service.server_security_group_id
  key_arn                  = module.keys.key_arn
}

module "events" {
  source  = "../../modules/events"
  name    = var.name
  key_arn = module.keys.key_arn
}

module "service" {
  source                  = "../../modules/service"
  name                    = var.name
  vpc_id                  = module.network.vpc_id
  vpc_cidr                = module.network.cidr
  public_subnet_ids       = module.network.public_subnet_ids
  private_subnet_ids      = module.network.private_subnet_ids
  certificate_arn         = var.domain_certificate_arn
  key_arn                 = module.keys.key_arn
  image                   = var.image
  collector_image         = var.collector_image
  repository_arns         = var.repository_arns
  tasks_max               = var.tasks_max
  database_url_secret_arn = module.database.url_secret_arn
  redis_url_secret_arn    = module.cache.url_secret_arn
  topic_arn               = module.events.topic_arn
  queue_url               = module.events.FLASH_SQS_QUEUE_URL
  queue_arn               = module.events.queue_arn
  dead_queue_arn          = module.events.dead_queue_arn
  push_application_arns   = var.push_application_arns
  log_bucket              = var.log_bucket
  settings                = { FLASH_CORS_ORIGINS = var.cors_origins }
}

module "alarms" {
  source                  = "../../modules/alarms"
  name                    = var.name
  key_arn                 = module.keys.key_arn
  emails                  = var.alarm_emails
  balancer_arn_suffix     = module.service.balancer_arn_suffix
  target_group_arn_suffix = module.service.target_group_arn_suffix
  database_identifier     = module.database.identifier
  replication_group_id    = module.cache.replication_group_id
  queue_name              = module.events.queue_name
  dead_queue_name         = module.events.dead_queue_name
}
