output "invoke_url" {
  description = "Base URL for clients; headrace check --via takes it too"
  value       = aws_api_gateway_stage.this.invoke_url
}

output "role_arn" {
  description = "Role of the hosts, for trust policies and Kafka's ACLs"
  value       = aws_iam_role.host.arn
}
