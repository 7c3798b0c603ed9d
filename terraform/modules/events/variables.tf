variable "name" {
  description = "Name of the installation; a prefix of everything."
  type        = string
}

variable "key_arn" {
  description = "Key that encrypts topic and queues; null = none (emulators)."
  type        = string
  default     = null
}

variable "max_receives" {
  description = "After so many receives a message goes to the dead letter queue."
  type        = number
  default     = 5
}

variable "require_tls" {
  description = "Refuse what does not come over TLS; emulators speak without."
  type        = bool
  default     = true
}
