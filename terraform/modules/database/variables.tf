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
  description = "Key that encrypts storage, insights and the secret."
  type        = string
}

variable "instance_class" {
  description = "See Sizing in docs/operations.md."
  type        = string
  default     = "db.m7g.large"
}

variable "storage_gib" {
  description = "Storage at first; grows by itself to four times that."
  type        = number
  default     = 100
}

variable "backup_days" {
  description = "Days back to which a point in time can be restored."
  type        = number
  default     = 14
}

variable "password_version" {
  description = "Raise to change the password."
  type        = number
  default     = 1
}
