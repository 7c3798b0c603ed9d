variable "name" {
  description = "Name of the installation; the key's alias."
  type        = string
}
