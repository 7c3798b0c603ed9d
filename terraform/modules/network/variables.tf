variable "name" {
  description = "Name of the installation; a prefix of everything."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC; a /16 to /20."
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Availability zones by name, 2 to 4; the order stays as it is."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4
    error_message = "Between 2 and 4."
  }
}

variable "key_arn" {
  description = "Key that encrypts the log."
  type        = string
}
