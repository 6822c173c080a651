# What the node installs: linux/amd64, each held to the sha256 of its version. A version that has no
# checksum here stops the plan.
locals {
  pins = {
    for line in regexall("(?m)^([A-Z_]+)=(\\S+)$", file("${path.module}/../manifests/platform/versions.env")) :
    line[0] => line[1]
  }
  tool_versions = {
    minikube = local.pins["MINIKUBE_VERSION"]
    kubectl  = local.pins["KUBERNETES_VERSION"]
    # The last of Helm 3 with a known checksum.
    helm = "v3.19.1"
    # The newest with a known checksum; it knows skaffold/v4beta14, the version of skaffold.yaml.
    skaffold = "v2.24.0"
    # Amazon Linux's own speaks an API that Minikube's Docker does not answer any more (1.43; 1.44).
    buildx = "v0.36.1"
  }
  tool_checksums = {
    minikube = {
      # kubernetes/minikube, deploy/minikube/releases-v2.json
      "v1.38.1" = "099477eaf248bcb5bcea8ce78a2898e93ac01461c35189da1848c3de82ecd22e"
    }
    kubectl = {
      # kubernetes-sigs/kubespray, roles/kubespray_defaults/vars/main/checksums.yml
      "v1.34.4" = "d50c359d95e0841eaad08ddc27c7be37cba8fdccfba5c8e2ded65e121ff112db"
      "v1.34.5" = "6a17dd8387783b3144a65535e38d02c351027e9718ea34a6c360476cb26d28bb"
    }
    helm = {
      # cashapp/hermit-packages, helm.hcl
      "v3.19.1" = "966bed9b1e0dda11268f59bd7268c3cd3e308b37b070546e1d78a02526ff63f2"
    }
    skaffold = {
      # cashapp/hermit-packages, skaffold.hcl
      "v2.24.0" = "702344081860a587c57937cd55dfa2e70f124c05d6fb845319832ee23fd144a8"
    }
    buildx = {
      # cashapp/hermit-packages, docker-buildx.hcl
      "v0.36.1" = "48af8a397ebd60178778bf63611dbcebe5f5e7a9be90eb9147b24b9587455778"
    }
  }
  tool_urls = {
    minikube = "https://github.com/kubernetes/minikube/releases/download/${local.tool_versions.minikube}/minikube-linux-amd64"
    kubectl  = "https://dl.k8s.io/release/${local.tool_versions.kubectl}/bin/linux/amd64/kubectl"
    helm     = "https://get.helm.sh/helm-${local.tool_versions.helm}-linux-amd64.tar.gz"
    skaffold = "https://storage.googleapis.com/skaffold/releases/${local.tool_versions.skaffold}/skaffold-linux-amd64"
    buildx   = "https://github.com/docker/buildx/releases/download/${local.tool_versions.buildx}/buildx-${local.tool_versions.buildx}.linux-amd64"
  }
  unknown_tools = [
    for name, version in local.tool_versions : "${name} ${version}"
    if !contains(keys(local.tool_checksums[name]), version)
  ]
  # One line a tool, as node/node-setup reads it.
  tools = join("", [
    for name, url in local.tool_urls :
    "${name} ${url} ${try(local.tool_checksums[name][local.tool_versions[name]], "none")}\n"
  ])
}
