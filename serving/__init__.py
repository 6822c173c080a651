"""Serving: one bundle behind KServe's V1 and V2 inference protocols."""
