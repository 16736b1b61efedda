# The hosts, and the load balancer through which API Gateway reaches them: API → VPC link → load balancer → hosts.

data "aws_ssm_parameter" "ami" {
  name = var.ami_parameter
}

data "aws_subnet" "host" {
  for_each = toset(var.subnet_ids)
  id       = each.value
}

resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-balancer-"
  description = "Load balancer of headrace: entered by API Gateway's VPC link only"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "host" {
  name_prefix = "${var.name}-host-"
  description = "Hosts of headrace: entered by their load balancer only"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "balancer_to_host" {
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.host.id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  description                  = "Requests and health checks"
}

resource "aws_vpc_security_group_ingress_rule" "host_from_balancer" {
  security_group_id            = aws_security_group.host.id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  description                  = "Requests and health checks"
}

resource "aws_vpc_security_group_egress_rule" "host_to_aws" {
  security_group_id = aws_security_group.host.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "Kinesis, S3, STS, Session Manager"
}

resource "aws_vpc_security_group_egress_rule" "host_to_brokers" {
  count                        = var.msk_security_group_id == null ? 0 : 1
  security_group_id            = aws_security_group.host.id
  referenced_security_group_id = var.msk_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.msk_port
  to_port                      = var.msk_port
  description                  = "Kafka"
}

resource "aws_vpc_security_group_ingress_rule" "brokers_from_host" {
  count                        = var.msk_security_group_id == null ? 0 : 1
  security_group_id            = var.msk_security_group_id
  referenced_security_group_id = aws_security_group.host.id
  ip_protocol                  = "tcp"
  from_port                    = var.msk_port
  to_port                      = var.msk_port
  description                  = "headrace"
}

resource "aws_instance" "host" {
  for_each                    = data.aws_subnet.host
  ami                         = data.aws_ssm_parameter.ami.value
  instance_type               = var.instance_type
  subnet_id                   = each.value.id
  vpc_security_group_ids      = [aws_security_group.host.id]
  iam_instance_profile        = aws_iam_instance_profile.host.name
  associate_public_ip_address = false
  user_data_replace_on_change = true
  user_data = join("\n", [
    "#!/bin/bash",
    "ROOT='' REGION='${local.region}' ARTIFACT='${var.artifact}' SHA256='${var.artifact_sha256}'",
    "PROPERTIES='${var.properties}' TRUSTED_PROXIES='${join(",", [for s in data.aws_subnet.host : s.cidr_block])}'",
    file("${path.module}/../user-data.sh"),
  ])

  # IMDSv2 only: a request that is forged through a proxy gets no credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted = true
  }

  tags = {
    Name = var.name
  }

  lifecycle {
    ignore_changes = [ami] # a newer image is taken when a host is replaced
  }
}

resource "aws_lb" "this" {
  name_prefix        = "hr-"
  internal           = true
  load_balancer_type = "network"
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.balancer.id]
  # Requests of a VPC link come by PrivateLink, from addresses that no rule could name.
  enforce_security_group_inbound_rules_on_private_link_traffic = "off"
  enable_cross_zone_load_balancing                             = true
}

resource "aws_lb_target_group" "this" {
  name_prefix          = "hr-"
  port                 = var.port
  protocol             = "TCP"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  health_check {
    protocol            = "HTTP"
    path                = "/readyz"
    interval            = 10
    timeout             = 6
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_target_group_attachment" "host" {
  for_each         = aws_instance.host
  target_group_arn = aws_lb_target_group.this.arn
  target_id        = each.value.id
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = var.port
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}
