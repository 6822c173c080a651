# What AWS would answer, where a test or the provider's own checks need it to make sense.
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_availability_zones" {
  defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}
mock_data "aws_ec2_instance_type_offerings" {
  defaults = { locations = ["us-east-1c", "us-east-1b"] }
}
mock_data "aws_ec2_instance_type" {
  defaults = { default_vcpus = 8, memory_size = 32768, supported_architectures = ["x86_64"] }
}
mock_data "aws_ssm_parameter" {
  defaults = { insecure_value = "ami-00000000000000000" }
}
mock_resource "aws_iam_openid_connect_provider" {
  defaults = { arn = "arn:aws:iam::000000000000:oidc-provider/issuer.example" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::000000000000:role/any" }
}
mock_resource "aws_cloudfront_distribution" {
  defaults = {
    arn         = "arn:aws:cloudfront::000000000000:distribution/any"
    domain_name = "issuer.example"
  }
}
mock_resource "aws_cloudfront_origin_access_control" {
  defaults = { id = "the-access-control" }
}
mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:us-east-1:000000000000:repository/any"
    repository_url = "000000000000.dkr.ecr.us-east-1.example/any"
  }
}
mock_resource "aws_security_group" {
  defaults = { id = "sg-node" }
}
mock_resource "aws_instance" {
  defaults = { id = "i-node" }
}
