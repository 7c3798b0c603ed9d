output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the VPC: the load balancer's are among them."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "For the load balancer."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "private_subnet_ids" {
  description = "For everything else."
  value       = [for subnet in aws_subnet.private : subnet.id]
}
