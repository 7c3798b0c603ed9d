variable "endpoint" {
  description = "Where the emulator answers."
  type        = string
  default     = "http://127.0.0.1:4566"
}

variable "name" {
  description = "Name of the installation; a prefix of everything."
  type        = string
  default     = "flash-promos"
}
