"""The logical name of the image that steps run in; a build's digest replaces it on the cluster."""

COMPONENTS_IMAGE = "health-predict-components"
