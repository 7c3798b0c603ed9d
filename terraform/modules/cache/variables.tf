variable "name" {
  description = "Name of the installation; a prefix of everything."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in two zones at least."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Group of those who may connect."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts what rests and the secret."
  type        = string
}

variable "node_type" {
  description = "Size of a node; little is kept."
  type        = string
  default     = "cache.t4g.small"
}
