"""Evaluate: metrics of the candidate, and its comparison with production on the same raw rows."""
