mock_provider "aws" {
  source = "./tests/mocks"
}

run "no_object_is_public" {
  assert {
    condition = alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "a bucket does not block public access"
  }
  assert {
    condition     = alltrue([for owner in aws_s3_bucket_ownership_controls.this : owner.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "a bucket knows access control lists"
  }
  assert {
    condition     = toset(keys(aws_s3_bucket_public_access_block.this)) == toset(["data", "artifacts", "issuer"])
    error_message = "a bucket has no such block"
  }
}

run "what_is_stored_is_encrypted_and_versioned" {
  assert {
    condition = alltrue([
      for stored in aws_s3_bucket_server_side_encryption_configuration.this :
      one(one(stored.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    ])
    error_message = "a bucket does not encrypt"
  }
  assert {
    condition     = alltrue([for stored in aws_s3_bucket_versioning.this : stored.versioning_configuration[0].status == "Enabled"])
    error_message = "a bucket is not versioned"
  }
  assert {
    condition = alltrue([
      for cycle in aws_s3_bucket_lifecycle_configuration.this : alltrue([
        cycle.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30,
        cycle.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7,
        length(cycle.rule[0].expiration) == 0,
      ])
    ])
    error_message = "old versions stay, or current ones go"
  }
}

run "only_tls_is_answered" {
  assert {
    condition = alltrue([
      for name, given in aws_s3_bucket_policy.this :
      jsondecode(given.policy).Statement[0] == {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this[name].arn, "${aws_s3_bucket.this[name].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    ])
    error_message = "a bucket answers without TLS"
  }
  assert {
    condition     = { for name, given in aws_s3_bucket_policy.this : name => length(jsondecode(given.policy).Statement) } == { data = 1, artifacts = 1, issuer = 2 }
    error_message = "a bucket's policy says more than that"
  }
}

run "data_survives_a_destroy" {
  assert {
    condition     = { for name, bucket in aws_s3_bucket.this : name => bucket.force_destroy } == { data = false, artifacts = false, issuer = true }
    error_message = "a destroy takes data with it"
  }
}

run "unless_that_is_said" {
  variables {
    destroy_data = true
  }
  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy])
    error_message = "destroy_data does not reach the buckets"
  }
}

run "images_do_not_change" {
  assert {
    condition     = toset(keys(aws_ecr_repository.this)) == toset(["health-predict-components", "health-predict-serving"])
    error_message = "the repositories are not those of skaffold.yaml"
  }
  assert {
    condition = alltrue([
      for repository in aws_ecr_repository.this :
      repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push
    ])
    error_message = "a repository's tags can move, or it does not scan"
  }
  assert {
    condition = alltrue([
      for cycle in aws_ecr_lifecycle_policy.this :
      jsondecode(cycle.policy).rules[0].selection == { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 10 }
    ])
    error_message = "a repository does not keep the last 10"
  }
}
