mock_provider "aws" {
  source = "./tests/mocks"
  override_resource {
    target = aws_s3_bucket.this["data"]
    values = { arn = "arn:aws:s3:::data", id = "data" }
  }
  override_resource {
    target = aws_s3_bucket.this["artifacts"]
    values = { arn = "arn:aws:s3:::artifacts", id = "artifacts" }
  }
  override_resource {
    target = aws_s3_bucket.this["issuer"]
    values = { arn = "arn:aws:s3:::issuer", id = "issuer" }
  }
}

run "each_role_is_of_one_service_account" {
  assert {
    condition = {
      for name, role in aws_iam_role.workload :
      name => jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals
      } == {
      mlflow   = { "issuer.example:aud" = "sts.amazonaws.com", "issuer.example:sub" = "system:serviceaccount:mlflow:mlflow" }
      pipeline = { "issuer.example:aud" = "sts.amazonaws.com", "issuer.example:sub" = "system:serviceaccount:kubeflow:readmission-pipeline" }
      serving  = { "issuer.example:aud" = "sts.amazonaws.com", "issuer.example:sub" = "system:serviceaccount:serving:readmission" }
    }
    error_message = "a role can be taken by another service account, or for another audience"
  }
  assert {
    condition = alltrue([
      for role in aws_iam_role.workload : alltrue([
        length(jsondecode(role.assume_role_policy).Statement) == 1,
        jsondecode(role.assume_role_policy).Statement[0].Action == "sts:AssumeRoleWithWebIdentity",
        jsondecode(role.assume_role_policy).Statement[0].Principal == { Federated = aws_iam_openid_connect_provider.cluster.arn },
      ])
    ])
    error_message = "a role trusts something else than the cluster's issuer"
  }
}

run "mlflow_has_its_prefix" {
  assert {
    condition = jsondecode(aws_iam_role_policy.workload["mlflow"].policy).Statement == [
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], Resource = "arn:aws:s3:::artifacts/mlflow/*" },
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = "arn:aws:s3:::artifacts", Condition = { StringLike = { "s3:prefix" = ["mlflow", "mlflow/*"] } } },
    ]
    error_message = "MLflow's rights are others"
  }
}

run "the_steps_have_bundles_and_data" {
  assert {
    condition = jsondecode(aws_iam_role_policy.workload["pipeline"].policy).Statement == [
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], Resource = "arn:aws:s3:::artifacts/bundles/*" },
      { Effect = "Allow", Action = ["s3:GetObject"], Resource = "arn:aws:s3:::data/*" },
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], Resource = "arn:aws:s3:::data/diabetes/*" },
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = ["arn:aws:s3:::artifacts", "arn:aws:s3:::data"] },
    ]
    error_message = "the pipeline's rights are others"
  }
}

run "serving_reads_bundles" {
  assert {
    condition = jsondecode(aws_iam_role_policy.workload["serving"].policy).Statement == [
      { Effect = "Allow", Action = ["s3:GetObject"], Resource = "arn:aws:s3:::artifacts/bundles/*" },
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = "arn:aws:s3:::artifacts" },
    ]
    error_message = "serving's rights are others"
  }
}

run "nothing_deletes" {
  assert {
    condition = !anytrue(flatten([
      for given in aws_iam_role_policy.workload : [
        for right in jsondecode(given.policy).Statement : [
          for action in right.Action : strcontains(action, "*") || strcontains(action, "Delete") || strcontains(action, "Version")
        ]
      ]
    ]))
    error_message = "a role may delete, or has a wildcard of actions"
  }
}

run "the_issuer_is_two_documents" {
  assert {
    condition = jsondecode(aws_s3_object.openid_configuration.content) == {
      issuer                                = "https://issuer.example"
      jwks_uri                              = "https://issuer.example/openid/v1/jwks"
      authorization_endpoint                = "urn:kubernetes:programmatic_authorization"
      response_types_supported              = ["id_token"]
      subject_types_supported               = ["public"]
      id_token_signing_alg_values_supported = ["RS256"]
      claims_supported                      = ["sub", "iss"]
    }
    error_message = "the first document does not name the issuer and its keys"
  }
  assert {
    condition = jsondecode(aws_s3_bucket_policy.this["issuer"].policy).Statement[1] == {
      Sid       = "ReadByTheDistribution"
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = ["arn:aws:s3:::issuer/.well-known/openid-configuration", "arn:aws:s3:::issuer/openid/v1/jwks"]
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.issuer.arn } }
    }
    error_message = "the distribution reads something else"
  }
  assert {
    condition     = aws_iam_openid_connect_provider.cluster.url == "https://issuer.example" && aws_iam_openid_connect_provider.cluster.client_id_list == toset(["sts.amazonaws.com"])
    error_message = "IAM trusts another issuer or audience"
  }
}

run "the_distribution_reads_over_its_access_control_and_answers_https" {
  assert {
    condition = alltrue([
      one(aws_cloudfront_distribution.issuer.origin).origin_access_control_id == aws_cloudfront_origin_access_control.issuer.id,
      aws_cloudfront_origin_access_control.issuer.signing_behavior == "always",
      aws_cloudfront_distribution.issuer.default_cache_behavior[0].viewer_protocol_policy == "https-only",
      aws_cloudfront_distribution.issuer.default_cache_behavior[0].allowed_methods == toset(["GET", "HEAD"]),
    ])
    error_message = "the distribution does not read as itself, or answers without TLS"
  }
}

run "the_api_server_signs_as_that_issuer" {
  assert {
    condition     = local.node_env["OIDC_ISSUER"] == "https://issuer.example"
    error_message = "the node has another issuer"
  }
}

run "what_the_overlay_needs" {
  assert {
    condition     = output.cloud_env == <<-EOT
      ARTIFACT_BUCKET=artifacts
      DATA_BUCKET=data
      AWS_DEFAULT_REGION=us-east-1
      MLFLOW_ROLE_ARN=arn:aws:iam::000000000000:role/any
      PIPELINE_ROLE_ARN=arn:aws:iam::000000000000:role/any
      SERVING_ROLE_ARN=arn:aws:iam::000000000000:role/any
    EOT
    error_message = "cloud_env is not what manifests/overlays/ec2/cloud/cloud.env.example asks for"
  }
}
