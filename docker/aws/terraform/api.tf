# The API. Its import file is made by:
#   headrace openapi --apigateway --uri 'http://${stageVariables.headrace}' --vpc-link '${stageVariables.vpcLinkId}'

resource "aws_api_gateway_vpc_link" "this" {
  name        = var.name
  target_arns = [aws_lb.this.arn]
}

resource "aws_api_gateway_rest_api" "this" {
  name              = var.name
  body              = file("${path.module}/../api.json")
  put_rest_api_mode = "overwrite"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_rest_api_policy" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "execute-api:Invoke"
      Resource  = "${aws_api_gateway_rest_api.this.execution_arn}/*"
      Condition = { IpAddress = { "aws:SourceIp" = var.allowed_cidrs } }
    }]
  })
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  triggers = {
    redeployment = sha256(jsonencode([aws_api_gateway_rest_api.this.body, aws_api_gateway_rest_api_policy.this.policy]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = var.stage

  variables = {
    headrace  = "${aws_lb.this.dns_name}:${var.port}"
    vpcLinkId = aws_api_gateway_vpc_link.this.id
  }
}
