# Copied beside cluster/*.tf by the tests: an account that is not there, on the loopback.
provider "aws" {
  access_key                  = "test"
  secret_key                  = "test"
  s3_use_path_style           = true
  max_retries                 = 1
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

# moto forgets the origin's access control, and answers with settings of older distributions.
resource "aws_cloudfront_distribution" "issuer" {
  lifecycle {
    ignore_changes = [default_cache_behavior, origin, viewer_certificate]
  }
}
