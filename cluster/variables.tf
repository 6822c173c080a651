variable "name" {
  description = "Begins the names of everything that is made here."
  type        = string
  default     = "health-predict"
  validation {
    # A bucket's prefix has at most 37 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name is 3 to 24 of a-z, 0-9 and -, begins with a letter and does not end with -."
  }
}

variable "region" {
  description = "The AWS region."
  type        = string
  default     = "us-east-1"
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[1-9]$", var.region))
    error_message = "region is an AWS region, such as us-east-1 or eu-central-1."
  }
}

variable "tags" {
  description = "Tags of everything, beside Project and ManagedBy."
  type        = map(string)
  default     = {}
  validation {
    condition     = length(setintersection(keys(var.tags), ["Project", "ManagedBy", "Name"])) == 0
    error_message = "tags must not set Project, ManagedBy or Name: they are set here."
  }
}

variable "instance_type" {
  description = "The node's type: x86_64, with 4 vCPU and 16 GiB or more."
  type        = string
  default     = "m7i.2xlarge"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.instance_type))
    error_message = "instance_type is a type of EC2, such as m7i.2xlarge."
  }
}

variable "disk_gib" {
  description = "The node's disk. Images, PostgreSQL and the pipelines' store lie on it."
  type        = number
  default     = 100
  validation {
    condition     = var.disk_gib == floor(var.disk_gib) && var.disk_gib >= 60 && var.disk_gib <= 16384
    error_message = "disk_gib is a whole number from 60 to 16384."
  }
}

variable "vpc_cidr" {
  description = "The VPC's private range, /16 to /24; null takes the one that network.tf computes."
  type        = string
  default     = null
  validation {
    condition     = var.vpc_cidr == null || can(regex("/(1[6-9]|2[0-4])$", cidrsubnet(var.vpc_cidr, 0, 0)))
    error_message = "vpc_cidr is a range in CIDR notation from /16 to /24."
  }
}

variable "minikube_cpus" {
  description = "CPUs of Minikube; null: all of the node."
  type        = number
  default     = null
  validation {
    condition     = var.minikube_cpus == null || try(var.minikube_cpus == floor(var.minikube_cpus) && var.minikube_cpus >= 4, false)
    error_message = "minikube_cpus is a whole number of 4 or more, or null."
  }
}

variable "minikube_memory_mib" {
  description = "Memory of Minikube; null: the node's less 2 GiB."
  type        = number
  default     = null
  validation {
    condition     = var.minikube_memory_mib == null || try(var.minikube_memory_mib == floor(var.minikube_memory_mib) && var.minikube_memory_mib >= 12288, false)
    error_message = "minikube_memory_mib is a whole number of 12288 or more, or null."
  }
}

variable "keep_images" {
  description = "How many images each ECR repository keeps."
  type        = number
  default     = 10
  validation {
    condition     = var.keep_images == floor(var.keep_images) && var.keep_images >= 2 && var.keep_images <= 1000
    error_message = "keep_images is a whole number from 2 (a rollback needs the one before) to 1000."
  }
}

variable "destroy_data" {
  description = "Whether terraform destroy removes the data and artifact buckets with what they hold."
  type        = bool
  default     = false
}

variable "monthly_budget_usd" {
  description = "Send an e-mail at 80 % of this sum and when the month's forecast is above it; null: no budget."
  type        = number
  default     = null
  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd > 0, false)
    error_message = "monthly_budget_usd is above 0, or null."
  }
}

variable "budget_email" {
  description = "Who gets the budget's e-mails."
  type        = string
  default     = null
  validation {
    condition     = var.budget_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", var.budget_email))
    error_message = "budget_email is an e-mail address."
  }
  validation {
    condition     = (var.budget_email == null) == (var.monthly_budget_usd == null)
    error_message = "budget_email and monthly_budget_usd are given together or not at all."
  }
}
