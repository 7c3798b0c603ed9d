variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"
}

variable "zones" {
  description = "Availability zones of the region, 2 to 4; the order stays as it is."
  type        = list(string)
  default     = ["us-east-1a", "us-east-1b"]
}

variable "name" {
  description = "Name of the installation; a prefix of everything, at most 20 characters."
  type        = string
  default     = "flash-promos"
}

variable "domain_certificate_arn" {
  description = "Certificate of the product's name, in the same region."
  type        = string
}

variable "image" {
  description = "Image of the server, with its tag or digest."
  type        = string
}

variable "collector_image" {
  description = "Image of the AWS distribution of the OpenTelemetry collector, with its tag or digest."
  type        = string
}

variable "repository_arns" {
  description = "Repositories of images that need permission to be pulled."
  type        = list(string)
  default     = []
}

variable "tasks_max" {
  description = "Servers at most. More than one needs a version that works as several nodes over REDIS_URL."
  type        = number
  default     = 1
}

variable "push_application_arns" {
  description = "SNS platform applications (push)."
  type        = list(string)
  default     = []
}

variable "cors_origins" {
  description = "FLASH_CORS_ORIGINS: origins that browsers may call from besides the product's own."
  type        = string
  default     = ""
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}

variable "log_bucket" {
  description = "Bucket for the load balancer's access logs; null = none."
  type        = string
  default     = null
}
