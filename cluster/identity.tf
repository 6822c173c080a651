# One role for each service account that needs S3, none with a key. Nothing may delete an object or
# read an older version: what a role overwrites can be had back for 30 days.
locals {
  data_arn      = aws_s3_bucket.this["data"].arn
  artifacts_arn = aws_s3_bucket.this["artifacts"].arn
  read          = ["s3:GetObject"]
  write         = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]

  workloads = {
    mlflow = {
      account = "mlflow:mlflow"
      rights = [
        { Action = local.write, Resource = "${local.artifacts_arn}/mlflow/*" },
        { Action = ["s3:ListBucket"], Resource = local.artifacts_arn, Condition = local.below_mlflow },
      ]
    }
    pipeline = {
      account = "kubeflow:readmission-pipeline"
      rights = [
        { Action = local.write, Resource = "${local.artifacts_arn}/bundles/*" },
        { Action = local.read, Resource = "${local.data_arn}/*" },
        # Drift reports are kept beside the data.
        { Action = local.write, Resource = "${local.data_arn}/diabetes/*" },
        # Without a prefix: the steps ask whether an object or the bucket is there, and S3 answers
        # "forbidden" instead of "not found" to one who may not list. Names, not contents.
        { Action = ["s3:ListBucket"], Resource = [local.artifacts_arn, local.data_arn] },
      ]
    }
    serving = {
      account = "serving:readmission"
      rights = [
        { Action = local.read, Resource = "${local.artifacts_arn}/bundles/*" },
        # KServe's initializer asks first whether the bucket is there (HeadBucket), which is this
        # action without a prefix. Names, not contents.
        { Action = ["s3:ListBucket"], Resource = local.artifacts_arn },
      ]
    }
  }
  below_mlflow = { StringLike = { "s3:prefix" = ["mlflow", "mlflow/*"] } }
}

resource "aws_iam_role" "workload" {
  for_each    = local.workloads
  name        = "${var.name}-${each.key}"
  description = "Service account ${each.value.account} of the cluster"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "${local.issuer_host}:aud" = local.token_audience
        "${local.issuer_host}:sub" = "system:serviceaccount:${each.value.account}"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "workload" {
  for_each = local.workloads
  name     = "objects"
  role     = aws_iam_role.workload[each.key].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for right in each.value.rights : merge({ Effect = "Allow" }, right)]
  })
}
