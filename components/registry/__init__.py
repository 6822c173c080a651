"""The registry: bundles, the store that keeps them by content, and MLflow's versions of them."""

MODEL = "readmission"
"""Name of the registered model, and of the model that a server serves."""
