variable "name" {
  description = "Name of the installation; the cluster's and the service's too."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts the topic."
  type        = string
}

variable "emails" {
  description = "Who is told."
  type        = list(string)
  default     = []
}

variable "balancer_arn_suffix" {
  description = "The load balancer."
  type        = string
}

variable "target_group_arn_suffix" {
  description = "Its target group."
  type        = string
}

variable "database_identifier" {
  description = "The database."
  type        = string
}

variable "replication_group_id" {
  description = "Redis."
  type        = string
}

variable "queue_name" {
  description = "The queue of events."
  type        = string
}

variable "dead_queue_name" {
  description = "Its dead letter queue."
  type        = string
}
