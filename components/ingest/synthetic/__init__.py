"""A synthetic cohort of the dataset's schema, drawn from aggregates of the published file."""

from components.ingest.synthetic.draw import synthesise
from components.ingest.synthetic.drifts import Drift

__all__ = ["Drift", "synthesise"]
