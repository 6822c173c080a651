# AWS trusts tokens of the cluster's service accounts by two documents that it must be able to read:
# what the issuer is, and its public keys. They lie in a private bucket; one distribution reads
# exactly those two. Minikube makes the keys, so bootstrap/remote.sh uploads them.
locals {
  issuer_documents  = [".well-known/openid-configuration", "openid/v1/jwks"]
  issuer_host       = aws_cloudfront_distribution.issuer.domain_name
  issuer_url        = "https://${local.issuer_host}"
  caching_disabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  issuer_s3_origin  = "issuer"
  token_audience    = "sts.amazonaws.com"
  discovery_options = { id_token_signing_alg_values_supported = ["RS256"], subject_types_supported = ["public"] }
}

resource "aws_cloudfront_origin_access_control" "issuer" {
  name                              = "${var.name}-issuer-${var.region}"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_distribution" "issuer" {
  comment     = "${var.name}: the documents of the cluster's token issuer"
  enabled     = true
  price_class = "PriceClass_100"

  origin {
    origin_id                = local.issuer_s3_origin
    domain_name              = aws_s3_bucket.this["issuer"].bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.issuer.id
  }

  default_cache_behavior {
    target_origin_id       = local.issuer_s3_origin
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    # AWS's policy Managed-CachingDisabled: new keys count at once, and hardly anybody asks.
    cache_policy_id = local.caching_disabled
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

resource "aws_s3_object" "openid_configuration" {
  bucket       = aws_s3_bucket.this["issuer"].id
  key          = local.issuer_documents[0]
  content_type = "application/json"
  content = jsonencode(merge(local.discovery_options, {
    issuer                   = local.issuer_url
    jwks_uri                 = "${local.issuer_url}/${local.issuer_documents[1]}"
    authorization_endpoint   = "urn:kubernetes:programmatic_authorization"
    response_types_supported = ["id_token"]
    claims_supported         = ["sub", "iss"]
  }))
  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = local.issuer_url
  client_id_list = [local.token_audience]
  # IAM reads the first document when the provider is made.
  depends_on = [aws_s3_object.openid_configuration, aws_s3_bucket_policy.this]
}
