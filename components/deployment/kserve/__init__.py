"""The endpoint on a cluster: KServe's InferenceService ``readmission``."""

NAMESPACE = "serving"
"""Namespace of the InferenceService, its Deployments and its pods."""
MANAGER = "health-predict"
"""Field manager of what a release changes: the canary, and the stable version's model."""
FIRST_RELEASE = "health-predict-first-release"
"""Field manager of a first release that is not finished.

``spec.canary`` needs a stable version, so the first one is stable from its start. Every label and
annotation of the InferenceService goes into its pods, so a mark there would restart them when it is
taken off; who owns a field does not. A first release is finished when ``health-predict`` owns it.
"""
