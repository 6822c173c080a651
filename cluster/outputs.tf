locals {
  role_arns = { for name, role in aws_iam_role.workload : name => role.arn }
  session   = "aws ssm start-session --region ${var.region} --target ${aws_instance.node.id}"
  # What node/forward keeps open on the node's loopback.
  open = {
    for name, port in { dashboard = 8080, mlflow = 5000, endpoint = 8081 } :
    name => "${local.session} --document-name AWS-StartPortForwardingSession --parameters portNumber=${port},localPortNumber=${port}"
  }
}

output "instance_id" {
  description = "The node."
  value       = aws_instance.node.id
}

output "region" {
  description = "The AWS region."
  value       = var.region
}

output "artifact_bucket" {
  description = "MLflow's artifacts below mlflow/, the models' bundles below bundles/."
  value       = aws_s3_bucket.this["artifacts"].id
}

output "data_bucket" {
  description = "The data and the drift reports below diabetes/."
  value       = aws_s3_bucket.this["data"].id
}

output "issuer_url" {
  description = "The issuer of the cluster's tokens."
  value       = local.issuer_url
}

output "issuer_bucket" {
  description = "Where the cluster's public keys go, as openid/v1/jwks."
  value       = aws_s3_bucket.this["issuer"].id
}

output "ecr_registry" {
  description = "The registry of the two image repositories."
  value       = split("/", aws_ecr_repository.this["health-predict-serving"].repository_url)[0]
}

output "mlflow_role_arn" {
  description = "The role of MLflow's server."
  value       = local.role_arns["mlflow"]
}

output "pipeline_role_arn" {
  description = "The role of the pipeline's steps."
  value       = local.role_arns["pipeline"]
}

output "serving_role_arn" {
  description = "The role of the model servers."
  value       = local.role_arns["serving"]
}

output "cloud_env" {
  description = "The content of manifests/overlays/ec2/cloud/cloud.env."
  value       = <<-EOT
    ARTIFACT_BUCKET=${aws_s3_bucket.this["artifacts"].id}
    DATA_BUCKET=${aws_s3_bucket.this["data"].id}
    AWS_DEFAULT_REGION=${var.region}
    MLFLOW_ROLE_ARN=${local.role_arns["mlflow"]}
    PIPELINE_ROLE_ARN=${local.role_arns["pipeline"]}
    SERVING_ROLE_ARN=${local.role_arns["serving"]}
  EOT
}

output "open_dashboard" {
  description = "Opens the Kubeflow Pipelines dashboard on port 8080 of this machine's loopback."
  value       = local.open["dashboard"]
}

output "open_mlflow" {
  description = "Opens MLflow on port 5000 of this machine's loopback."
  value       = local.open["mlflow"]
}

output "open_endpoint" {
  description = "Opens the model's endpoint on port 8081 of this machine's loopback."
  value       = local.open["endpoint"]
}

output "shell" {
  description = "Opens a shell on the node; sudo -iu minikube is the cluster's user."
  value       = local.session
}
