"""The registry: bundles, the store that keeps them by content, and MLflow's versions of them."""
