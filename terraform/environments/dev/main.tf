# SNS and SQS on an emulator on this machine (LocalStack, moto): what notifications need and nothing else. Everything but
# that runs with `make run` or Compose.
#   terraform init && terraform apply
#   terraform output -json | jq -r 'to_entries[] | "\(.key)=\(.value.value)"' >> ../../../.env

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

locals {
  region = "us-east-1"
}

provider "aws" {
  region                      = local.region
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    sns = var.endpoint
    sqs = var.endpoint
    sts = var.endpoint
    iam = var.endpoint
  }
}

module "events" {
  source      = "../../modules/events"
  name        = var.name
  require_tls = false
}
