variable "name" {
  description = "Name of everything that is made"
  type        = string
  default     = "headrace"
}

variable "vpc_id" {
  description = "VPC of the hosts, from which the brokers can be reached"
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one host in each"
  type        = list(string)
}

variable "allowed_cidrs" {
  description = "Networks from which the API may be called; [\"0.0.0.0/0\"] opens it to all who know the URL"
  type        = list(string)
}

variable "artifact" {
  description = "s3:// URL of the release's tar"
  type        = string
}

variable "artifact_sha256" {
  description = "SHA-256 of the tar, as in its checksums file"
  type        = string
}

variable "properties" {
  description = "s3:// URL of the kafka-rest.properties"
  type        = string
}

variable "ami_parameter" {
  description = "SSM parameter that names the image of the hosts: Amazon Linux 2023, of the architecture of artifact"
  type        = string
  default     = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

variable "instance_type" {
  description = "Type of the hosts"
  type        = string
  default     = "t4g.small"
}

variable "stage" {
  description = "Stage of the API: the first part of its path"
  type        = string
  default     = "prod"
}

variable "port" {
  description = "Port of the first http listener of the properties"
  type        = number
  default     = 8082
}

variable "msk_cluster_arn" {
  description = "Cluster that is reached with MSK IAM; null: none"
  type        = string
  default     = null
}

variable "msk_security_group_id" {
  description = "Security group of the brokers, which is opened for the hosts; null: none"
  type        = string
  default     = null
}

variable "msk_port" {
  description = "Port of the brokers: 9098 IAM, 9096 SCRAM, 9094 TLS, 9092 PLAINTEXT"
  type        = number
  default     = 9098
}

variable "topics" {
  description = "Topics of the clients, * for any"
  type        = string
  default     = "*"
}

variable "groups" {
  description = "Consumer groups: of REST consumers, and connect-NAME of each sink; * for any"
  type        = string
  default     = "*"
}

variable "manage_topics" {
  description = "Whether topics may be made, changed and deleted (REST v3, headrace topics)"
  type        = bool
  default     = false
}

variable "streams" {
  description = "Kinesis streams of the clients, such as streaming-*; null: none"
  type        = string
  default     = null
}

variable "sink_bucket_arn" {
  description = "Bucket that sinks write to, below topics/; null: none"
  type        = string
  default     = null
}

variable "assumed_role_arn" {
  description = "Role of awsRoleArn or kinesis.role.arn in the properties; null: none"
  type        = string
  default     = null
}
