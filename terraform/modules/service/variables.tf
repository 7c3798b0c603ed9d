variable "name" {
  description = "Name of the installation; a prefix of everything, at most 20 characters."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC: whom the servers believe about where a request came from."
  type        = string
}

variable "public_subnet_ids" {
  description = "For the load balancer."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "For the servers."
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate of the load balancer's name."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts logs and secrets."
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

variable "cpu" {
  description = "CPU units of a task; 1024 = one core. See Sizing in docs/operations.md."
  type        = number
  default     = 2048
}

variable "memory_mib" {
  description = "Memory of a task."
  type        = number
  default     = 4096
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64, as the image."
  type        = string
  default     = "X86_64"
}

variable "tasks_min" {
  description = "Servers at least."
  type        = number
  default     = 1
}

variable "tasks_max" {
  description = "Servers at most. More than one needs a version that works as several nodes over REDIS_URL."
  type        = number
  default     = 1
}

variable "sessions_per_task" {
  description = "Live sessions that one server is meant to have; beyond, another one is started."
  type        = number
  default     = 20000
}

variable "database_url_secret_arn" {
  description = "Secret that holds DATABASE_URL."
  type        = string
}

variable "redis_url_secret_arn" {
  description = "Secret that holds REDIS_URL."
  type        = string
}

variable "topic_arn" {
  description = "Topic of events: FLASH_SNS_TOPIC_ARN."
  type        = string
}

variable "queue_url" {
  description = "Queue of events: FLASH_SQS_QUEUE_URL."
  type        = string
}

variable "queue_arn" {
  description = "The queue, for policies."
  type        = string
}

variable "dead_queue_arn" {
  description = "Its dead letter queue, for policies."
  type        = string
}

variable "push_application_arns" {
  description = "SNS platform applications (push) that the server may use."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "Further settings of the server, by their names."
  type        = map(string)
  default     = {}
}

variable "jwt_secret_version" {
  description = "Raise to change the secret that signs tokens."
  type        = number
  default     = 1
}

variable "log_bucket" {
  description = "Bucket for the load balancer's access logs; null = none."
  type        = string
  default     = null
}

variable "requests_per_address_5min" {
  description = "Requests of one address in five minutes, beyond which it is blocked for a while."
  type        = number
  default     = 60000
}
