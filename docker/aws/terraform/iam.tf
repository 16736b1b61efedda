# What the hosts may do. The policies are those of ../iam, as narrow as the variables make them.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  region      = data.aws_region.this.name
  s3          = "arn:${data.aws_partition.this.partition}:s3:::"
  msk_topics  = var.msk_cluster_arn == null ? "" : "${replace(var.msk_cluster_arn, ":cluster/", ":topic/")}/${var.topics}"
  msk_groups  = var.msk_cluster_arn == null ? "" : "${replace(var.msk_cluster_arn, ":cluster/", ":group/")}/${var.groups}"
  streams_arn = "arn:${data.aws_partition.this.partition}:kinesis:${local.region}:${data.aws_caller_identity.this.account_id}:stream/${coalesce(var.streams, "-")}"
  policies = merge(
    {
      install = templatefile("${path.module}/../iam/install.json", {
        artifact   = replace(var.artifact, "s3://", local.s3)
        properties = replace(var.properties, "s3://", local.s3)
      })
    },
    var.msk_cluster_arn == null ? {} : {
      msk = templatefile("${path.module}/../iam/msk.json", { cluster = var.msk_cluster_arn, topics = local.msk_topics, groups = local.msk_groups })
    },
    var.msk_cluster_arn == null || !var.manage_topics ? {} : {
      msk-admin = templatefile("${path.module}/../iam/msk-admin.json", { cluster = var.msk_cluster_arn, topics = local.msk_topics })
    },
    var.streams == null ? {} : {
      kinesis = templatefile("${path.module}/../iam/kinesis.json", { streams = local.streams_arn })
    },
    var.sink_bucket_arn == null ? {} : {
      s3-sink = templatefile("${path.module}/../iam/s3-sink.json", { bucket = var.sink_bucket_arn })
    },
    var.assumed_role_arn == null ? {} : {
      assume-role = templatefile("${path.module}/../iam/assume-role.json", { role = var.assumed_role_arn })
    },
  )
}

resource "aws_iam_role" "host" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "host" {
  for_each = local.policies
  name     = each.key
  role     = aws_iam_role.host.id
  policy   = each.value
}

# A shell on a host by Session Manager: no SSH, no open port.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.host.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "host" {
  name = var.name
  role = aws_iam_role.host.name
}
